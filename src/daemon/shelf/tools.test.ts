import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredImage } from "../../image/image.ts";
import type { Tool } from "../../release/release.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";
import { canComplete, gatherTools } from "./tools.ts";

const program = "#!/bin/sh\n";
let status = 200;
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () => new Response(program, { status }),
});
const downloads = mkdtempSync(join(tmpdir(), "banger-tools-"));
afterAll(() => {
  server.stop(true);
  rmSync(downloads, { recursive: true });
});

const tool: Tool = {
  name: "tool",
  version: "1.2",
  url: `${server.url}tool`,
  sha256: createHash("sha256").update(program).digest("hex"),
  size: program.length,
};
let events: LifecycleEvent[] = [];
const ctx = { signal: new AbortController().signal, emit: (event: LifecycleEvent) => events.push(event) };
beforeEach(() => {
  events = [];
});
const gathered = () => gatherTools({ tools: [tool], image: "full", downloads }, ctx);
const warnings = () => events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));

describe("tools for an image", () => {
  test("that cannot be had are left out, with a warning of what, why and what next", async () => {
    status = 503;
    expect(await gathered()).toEqual([]);
    expect(warnings()).toEqual([
      `image full goes without tool 1.2: ${server.url}tool answered with status 503; to try again: banger image pull full`,
    ]);
  });

  test("are fetched, and then are there without a word", async () => {
    status = 200;
    expect(await gathered()).toMatchObject([{ name: "tool", sha256: tool.sha256 }]);
    expect(warnings()).toEqual([]);
    events = [];
    expect(await gathered()).toHaveLength(1);
    expect(events).toEqual([]);
  });

  test("are no reason to build a whole image anew, nor one that is not of the catalog", async () => {
    const image = { name: "debian-bookworm" } as StoredImage;
    expect(await canComplete(image, downloads, ctx)).toBe(false);
    expect(await canComplete({ ...image, name: "imported", lacks: ["mise"] }, downloads, ctx)).toBe(false);
    expect(events).toEqual([]);
  });

  test("that an image lacks are tried again", async () => {
    const image = { name: "debian-bookworm", lacks: ["mise"] } as StoredImage;
    const tried = canComplete(image, downloads, { ...ctx, signal: AbortSignal.abort() });
    await expect(tried).rejects.toMatchObject({ code: "cancelled" });
  });
});
