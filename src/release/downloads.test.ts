import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageCatalog } from "../catalog/catalog.ts";
import { downloadsIn, fetchTool, findTools } from "./downloads.ts";
import { type Tool, toolOf } from "./tool-catalog.ts";

const program = Buffer.from("#!/bin/sh\necho tool\n");
let asked = 0;
let served = () => new Response(program);
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => {
    asked += 1;
    return served();
  },
});
const cache = mkdtempSync(join(tmpdir(), "banger-downloads-"));
const downloads = downloadsIn(cache);
afterAll(() => {
  server.stop(true);
  rmSync(cache, { recursive: true });
});
beforeEach(() => {
  rmSync(downloads, { recursive: true, force: true });
  asked = 0;
  served = () => new Response(program);
});

const tool: Tool = {
  name: "tool",
  version: "1.2",
  url: `${server.url}tool`,
  sha256: createHash("sha256").update(program).digest("hex"),
  size: program.length,
};
const { signal } = new AbortController();

describe("a tool", () => {
  test("is fetched once, and kept by its digest", async () => {
    expect(await findTools(downloads, [tool])).toEqual([]);
    await fetchTool(downloads, tool, signal);
    await fetchTool(downloads, tool, signal);
    expect(asked).toBe(1);
    expect(readdirSync(downloads)).toEqual([tool.sha256]);
    const [found] = await findTools(downloads, [tool]);
    expect(readFileSync(found?.path ?? "")).toEqual(program);
  });

  test("that somebody has put there is not fetched", async () => {
    mkdirSync(downloads);
    writeFileSync(join(downloads, tool.sha256), program);
    await fetchTool(downloads, tool, signal);
    expect(asked).toBe(0);
  });

  test("is fetched anew when the file is damaged", async () => {
    mkdirSync(downloads);
    writeFileSync(join(downloads, tool.sha256), "something else");
    expect(await findTools(downloads, [tool])).toEqual([]);
    await fetchTool(downloads, tool, signal);
    expect(await findTools(downloads, [tool])).toHaveLength(1);
  });

  test.each([
    ["another program", () => new Response(Buffer.alloc(program.length)), "corrupt"],
    ["a larger one", () => new Response(Buffer.alloc(program.length + 1)), "corrupt"],
    ["a refusal", () => new Response(null, { status: 404 }), "unavailable"],
  ])("is none when the answer is %s, and nothing is kept", async (_what, answer, code) => {
    served = answer;
    await expect(fetchTool(downloads, tool, signal)).rejects.toMatchObject({ code });
    expect(readdirSync(downloads)).toEqual([]);
  });

  test("of a recipe is in the catalog", () => {
    const named = imageCatalog.flatMap(({ recipe }) => recipe.tools);
    expect(named.map((name) => toolOf(name).name)).toEqual(["mise"]);
    expect(toolOf("mise").url).toEndWith("/v2026.7.5/mise-v2026.7.5-linux-x64");
  });
});
