import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { userPaths } from "../config/paths.ts";
import { failure } from "./testing/bed.ts";
import { userServices } from "./user-services.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-user-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("a daemon that is halted is not waited for without end: who could end it is told how", async () => {
  const paths = userPaths({ HOME: dir, XDG_RUNTIME_DIR: dir });
  mkdirSync(dirname(paths.socket), { recursive: true });
  // The kernel takes connections for it, and it never answers.
  using _halted = Bun.listen({ unix: paths.socket, socket: { data: () => {} } });
  const services = await userServices(join(dir, "updates"), {
    ...{ choice: { mode: "user", reason: "", paths }, answerMs: 20, endMs: 20 },
  });
  expect(await failure(services.operations())).toMatchObject({
    code: "timeout",
    message: "bangerd does not answer within 0.02 s",
    hint: expect.stringContaining("kill -9 PID"),
  });
  expect(await failure(services.stop())).toMatchObject({
    code: "timeout",
    message: "bangerd does not end within 0.02 s",
    hint: expect.stringContaining("kill -9 PID"),
  });
});
