/** bangerd's way to the helper, while helpers come and go: on sockets, with a helper that does nothing. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import { commit, version } from "../../src/base/version.ts";
import { helperAt } from "../../src/daemon/system/helper-client.ts";
import { type HandlersOf, helper, type Server, serve } from "../../src/rpc/rpc.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const inventory = { vms: [], baseLoops: 0, idleTaps: 0, bridge: null };
let dir: string;
let socket: string;
let asked: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-helper-"));
  socket = join(dir, "helper.sock");
  asked = 0;
});
afterEach(() => rmSync(dir, { recursive: true }));

function start(answer: () => Promise<typeof inventory> | typeof inventory, at = socket): Promise<Server> {
  const handlers = {
    ping: () => ({ version, commit, pid: process.pid }),
    inventory: () => {
      asked += 1;
      return answer();
    },
  };
  return serve({
    ...{ table: helper, program: { name: "bangerd-root", versionHint: "" }, socketPath: at, log: quiet },
    handlers: handlers as unknown as HandlersOf<typeof helper>,
  });
}

test("a helper that is not there yet is waited for", async () => {
  const call = helperAt(socket).call("inventory", {});
  await Bun.sleep(200);
  const server = await start(() => inventory);
  expect(await call).toEqual(inventory);
  await server.close();
});

test("a call that was under way when the helper ended is made once more, of the next one", async () => {
  // A relay in front of the first helper: cut off, it is what a killed helper looks like.
  const hidden = join(dir, "first.sock");
  const first = await start(() => new Promise(() => {}), hidden);
  const open = new Set<Socket>();
  const relay = createServer((near) => {
    const far = connect(hidden);
    for (const end of [near, far]) open.add(end.on("error", () => {}));
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => relay.listen(socket, resolve));
  const call = helperAt(socket).call("inventory", {});
  while (asked === 0) await Bun.sleep(5);
  relay.close();
  for (const end of open) end.destroy();
  rmSync(socket, { force: true });
  const second = await start(() => inventory);
  expect([await call, asked]).toEqual([inventory, 2]);
  await second.close();
  void first.close();
});

test("what a living helper calls unavailable is not asked for again", async () => {
  const server = await start(() => Promise.reject(new BangerError("unavailable", "not now")));
  await expect(helperAt(socket).call("inventory", {})).rejects.toMatchObject({ message: "not now" });
  expect(asked).toBe(1);
  await server.close();
});

test("waiting ends with the caller's patience", async () => {
  const call = helperAt(socket).call("inventory", {}, AbortSignal.timeout(100));
  await expect(call).rejects.toBeDefined();
});
