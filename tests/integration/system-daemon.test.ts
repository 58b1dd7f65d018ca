/** Reaching a system daemon: it is never started, and what stands in the way is said. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { commit, version } from "../../src/base/version.ts";
import type { DaemonChoice } from "../../src/rpc/choose-daemon.ts";
import { connectIfRunning, ensureDaemon } from "../../src/rpc/ensure-daemon.ts";
import { type Handlers, type Owner, owner, type Server, serve } from "../../src/rpc/rpc.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
let dir: string;
let choice: DaemonChoice;
let server: Server | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-system-"));
  const runtime = join(dir, "run");
  choice = {
    mode: "system",
    reason: "a test",
    paths: {
      ...{ config: join(dir, "config.toml"), state: join(dir, "state"), cache: join(dir, "cache"), runtime },
      ...{ socket: join(runtime, "bangerd.sock"), startError: join(runtime, "bangerd.error") },
      ...{ lock: join(dir, "state/bangerd.lock"), daemonLog: join(dir, "state/bangerd.log") },
      largerState: "",
      home: dir,
    },
  };
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

async function start(build = { version, commit }): Promise<void> {
  const handlers = { ping: async () => ({ ...build, pid: 7 }) } as Partial<Handlers> as Handlers;
  const program = { name: "bangerd", versionHint: "" };
  server = await serve({ table: owner, program, socketPath: choice.paths.socket, handlers, log: quiet });
}

const unanswered = {
  code: "unavailable",
  hint: "sudo banger system restart; if that is no help: banger doctor",
};

test("one that runs is reached", async () => {
  await start();
  const client = await ensureDaemon({ choice });
  expect((await client.call("ping", {})).pid).toBe(7);
  client.close();
});

test("what it says is parsed where root listens to it", async () => {
  const id = crypto.randomUUID();
  const lie = {
    vm: { id, name: "-F/home/dev/evil" },
    user: "root",
    identityFile: "/k",
    knownHostsFile: "/h",
  };
  const handlers = { ping: async () => ({ version, commit, pid: 7 }), "vm.ssh": async () => lie };
  const table = { ...owner, "vm.ssh": { ...owner["vm.ssh"], result: z.any() } } as unknown as Owner;
  const program = { name: "bangerd", versionHint: "" };
  const socketPath = choice.paths.socket;
  server = await serve({ table, program, socketPath, handlers: handlers as never, log: quiet });
  const client = await ensureDaemon({ choice });
  const said = client.call("vm.ssh", { ref: "z" });
  if (process.getuid?.() === 0) await expect(said).rejects.toMatchObject({ code: "denied" });
  else expect(await said).toMatchObject({ vm: { name: lie.vm.name } });
  client.close();
});

test("one that does not run is not started, and the way to start it is said", async () => {
  await expect(ensureDaemon({ choice })).rejects.toMatchObject(unanswered);
  expect(await connectIfRunning({ choice })).toBeUndefined();
  expect(existsSync(choice.paths.state)).toBe(false);
});

test("one that systemd runs, and that does not listen yet, is waited for", async () => {
  const client = ensureDaemon({ choice, serviceRuns: async () => true });
  client.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 100));
  mkdirSync(choice.paths.runtime, { mode: 0o700 });
  await start();
  (await client).close();
});

test("one that systemd has given up meanwhile is not waited for any longer", async () => {
  mkdirSync(choice.paths.runtime);
  const answers = [true, true, false];
  const serviceRuns = async () => answers.shift() ?? false;
  await expect(ensureDaemon({ choice, serviceRuns })).rejects.toMatchObject(unanswered);
  expect(answers).toEqual([]);
});

test("waiting for one ends with the caller's patience", async () => {
  mkdirSync(choice.paths.runtime);
  const controller = new AbortController();
  const client = ensureDaemon({ choice, signal: controller.signal, serviceRuns: async () => true });
  setTimeout(() => controller.abort(), 50);
  await expect(client).rejects.toMatchObject({ code: "cancelled" });
});

test("one that could not start is quoted", async () => {
  mkdirSync(choice.paths.runtime);
  const said = {
    code: "bad_config",
    message: "config.toml:3: unknown key vmn; did you mean vmm?",
    hint: null,
  };
  writeFileSync(choice.paths.startError, JSON.stringify(said));
  await expect(ensureDaemon({ choice })).rejects.toMatchObject({
    code: "bad_config",
    message: `the system daemon does not answer: ${said.message}`,
  });
});

test("one of another build is neither used nor replaced", async () => {
  await start({ version: "0.0.1", commit: "ffffffff" });
  await expect(ensureDaemon({ choice })).rejects.toMatchObject({ code: "bad_version" });
  expect(await connectIfRunning({ choice })).toBeDefined();
});
