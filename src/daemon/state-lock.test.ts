import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockFile } from "../sys/sys.ts";
import { takeStateLock } from "./state-lock.ts";

let dir: string;
/** As seen by a daemon whose runtime directory is `runtime`. */
const place = (runtime: string) => ({
  state: dir,
  lock: join(dir, "bangerd.lock"),
  runtime: join(dir, runtime),
  socket: join(dir, runtime, "bangerd.sock"),
});

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-lock-"));
  for (const runtime of ["here", "there"]) mkdirSync(join(dir, runtime));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("the lock is its holder's, who is named in its file", async () => {
  const lock = await takeStateLock(place("here"));
  expect(readFileSync(join(dir, "bangerd.lock"), "utf8")).toBe(`${dir}/here\n`);
  writeFileSync(place("here").socket, "");
  expect(await takeStateLock(place("here"))).toBeUndefined();
  expect(takeStateLock(place("there"))).rejects.toMatchObject({
    code: "unavailable",
    message: `another bangerd uses ${dir} already; its socket is in ${dir}/here`,
    hint: `XDG_RUNTIME_DIR=${dir} banger daemon stop`,
  });
  lock?.release();
});

test.each(["here", "there"])("one of %s that ends is waited for", async (runtime) => {
  const ending = await takeStateLock(place("here"));
  setTimeout(() => ending?.release(), 200);
  const lock = await takeStateLock(place(runtime));
  expect(lockFile(place(runtime).lock)).toBeUndefined();
  lock?.release();
});
