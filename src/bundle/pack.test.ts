import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure } from "../oci/testing/failures.ts";
import { packBundle } from "./bundle.ts";

test("a bundle that is given up while it is made leaves neither files nor programs", async () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-pack-"));
  writeFileSync(join(dir, "vmlinux"), randomBytes(64 * 1024 ** 2));
  const stop = new AbortController();
  const into = join(dir, "given-up");
  mkdirSync(into);
  const packing = failure(
    packBundle({
      manifest: {
        version: 1,
        kind: "kernel",
        id: `sha256:${"a".repeat(64)}`,
        name: "k",
        arch: "amd64",
        release: "6.12.1",
        source: "a test",
      },
      directory: dir,
      members: ["vmlinux"],
      into,
      level: 19,
      signal: stop.signal,
    }),
  );
  const names = () => readdirSync(into, { recursive: true, encoding: "utf8" });
  while (!names().some((name) => name.endsWith("/bundle"))) await Bun.sleep(10);
  stop.abort();
  expect(await packing).toMatchObject({ code: "cancelled" });
  expect(names()).toEqual([]);
  expect(Bun.spawnSync(["pgrep", "-f", into]).stdout.toString()).toBe("");
  rmSync(dir, { recursive: true });
});
