/**
 * Every system call of a VM's life fails once, at each place where it is made; and from each place on a disk stays full,
 * or descriptors stay used up. Afterwards: an answer, not a hang; a daemon that still serves; nothing left of what
 * failed, in directories, rows, journal and descriptors; the other VMs as they were; and the same works again.
 *
 * The places come from a trace of a run that goes well, so a new call is covered by being written. Of those that are many
 * and alike (the database's writes, and what lasts) only some are gone through, and each with one error in turn, unless
 * BANGER_SYSCALL_FAULTS=all, which takes four minutes.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { VmName } from "../../src/base/ids.ts";
import {
  type CountedCall,
  type Errno,
  type Fault,
  FaultyDaemon,
  faultsUnavailable,
} from "./faults-fixture.ts";

const unavailable = faultsUnavailable();
if (unavailable !== undefined)
  console.log(`skipped: system calls cannot be made to fail here: ${unavailable}`);
const whole = process.env.BANGER_SYSCALL_FAULTS === "all";

/** What each call may fail with: a full disk, a failing one, no descriptor left, no process left. */
const errnos: Readonly<Record<string, readonly Errno[]>> = {
  openat: ["EMFILE", "EIO"],
  "openat+creat": ["ENOSPC", "EMFILE", "EIO"],
  mkdir: ["ENOSPC", "EIO"],
  unlink: ["EIO"],
  unlinkat: ["EIO"],
  rename: ["ENOSPC", "EIO"],
  write: ["ENOSPC", "EIO"],
  pwrite64: ["ENOSPC", "EIO"],
  read: ["EIO"],
  pread64: ["EIO"],
  getdents64: ["EIO"],
  ftruncate: ["ENOSPC", "EIO"],
  fallocate: ["ENOSPC", "EIO"],
  ficlone: ["ENOSPC", "EIO"],
  fsync: ["ENOSPC", "EIO"],
  accept4: ["EMFILE"],
  socketpair: ["EMFILE"],
  pidfd_open: ["EMFILE"],
  dup2: ["EMFILE"],
  vfork: ["EAGAIN"],
};

const small = { ephemeral: false, diskBytes: 16 << 20 };
const victim = { ref: "victim" };
const daemons: FaultyDaemon[] = [];
afterAll(async () => {
  for (const daemon of daemons) await daemon.close();
});

/** A daemon with other VMs, which nothing that is done to the victim may change. */
async function bed(bystanders: Readonly<Record<string, "running" | "created">>): Promise<FaultyDaemon> {
  const daemon = new FaultyDaemon();
  daemons.push(daemon);
  await daemon.start();
  for (const [name, state] of Object.entries(bystanders))
    await daemon.call("vm.create", { name: VmName.parse(name), start: state === "running", ...small });
  // What a first create and delete leave for all later ones, in directories and in memory.
  expect(await create(daemon)).toBeUndefined();
  expect(await remove(daemon)).toBeUndefined();
  return daemon;
}

const create = (daemon: FaultyDaemon) =>
  daemon.failure("vm.create", { name: VmName.parse(victim.ref), start: true, ...small });
const remove = (daemon: FaultyDaemon) => daemon.failure("vm.delete", victim);
const find = async (daemon: FaultyDaemon) =>
  (await daemon.call("vm.list", {})).find((vm) => vm.name === "victim");

/** What a fault strikes, and how one gets to it and away from it. */
interface Action {
  name: string;
  before(daemon: FaultyDaemon): Promise<unknown>;
  act(daemon: FaultyDaemon): ReturnType<typeof create>;
  /** What a person would do next, without a fault. */
  again(daemon: FaultyDaemon): Promise<void>;
}

const createAndStart: Action = {
  name: "create and start",
  // So that each makes one, as the first of its size does.
  before: async ({ state }) => rmSync(join(state, "work-templates"), { recursive: true, force: true }),
  act: create,
  again: async (daemon) => {
    const left = await find(daemon);
    if (left?.state === "running") return;
    // A VM whose start failed stays, so that its logs can be read; and it can be started.
    const repeated = left === undefined ? await create(daemon) : await daemon.failure("vm.start", victim);
    expect(repeated).toBeUndefined();
  },
};

/** The first that a daemon of an empty state starts: it makes the key that opens every guest. */
const firstStart: Action = {
  ...createAndStart,
  name: "create and first start",
  before: async (daemon) => {
    await daemon.stop();
    rmSync(join(daemon.state, "ssh"), { recursive: true, force: true });
    await daemon.start();
  },
};

const stop: Action = {
  name: "stop",
  before: create,
  act: (daemon) => daemon.failure("vm.stop", victim),
  again: async (daemon) => {
    if ((await find(daemon))?.state !== "stopped")
      expect(await daemon.failure("vm.stop", victim)).toBeUndefined();
    expect(await daemon.failure("vm.start", victim)).toBeUndefined();
  },
};

const startAfresh = async (daemon: FaultyDaemon) => {
  if ((await find(daemon)) !== undefined) expect(await remove(daemon)).toBeUndefined();
  expect(await create(daemon)).toBeUndefined();
};
const deletion: Action = { name: "delete", before: create, act: remove, again: startAfresh };

/** All that must be the same before and after. */
async function world(daemon: FaultyDaemon) {
  const vms = await daemon.call("vm.list", {});
  return {
    vms: vms.map(({ name, state, pid, lastError }) => ({ name, state, pid, lastError })),
    files: daemon.files(),
    // A delete that failed after its row was gone has nothing left to do; the next daemon forgets it.
    journal: daemon.journal().filter((list) => list !== "vm.delete"),
  };
}

/** Descriptors are given back a moment after an answer; on a busy machine, and with names told meanwhile, a long one. */
async function openDescriptors(daemon: FaultyDaemon, atMost = Number.POSITIVE_INFINITY): Promise<number> {
  const until = Date.now() + 5000;
  while (daemon.descriptors() > atMost && Date.now() < until) await Bun.sleep(10);
  return daemon.descriptors();
}

/** One fault; answers what was wrong after it, in words. */
async function strike(daemon: FaultyDaemon, action: Action, fault: Fault): Promise<string[]> {
  const problems: string[] = [];
  const before = await world(daemon);
  const descriptors = await openDescriptors(daemon);
  await action.before(daemon);
  const { value: error, calls } = await daemon.during(fault, () => action.act(daemon));
  const struck = calls.find((call) => call.failed);
  if (struck === undefined) problems.push("struck nothing");
  if (error?.code === "internal") problems.push("was called a bug");
  if (error?.message === "the connection to bangerd was lost") problems.push("lost its connection");
  const left = await find(daemon);
  if (action.act === create && fault.mode === "once" && error !== undefined && left !== undefined) {
    if (left.state !== "error" || left.pid !== null || left.lastError !== error.message)
      problems.push(`left a VM that is ${left.state}, pid ${left.pid}, because of ${left.lastError}`);
  }
  await (fault.mode === "once" ? action.again(daemon) : startAfresh(daemon));
  const removal = await remove(daemon);
  if (removal !== undefined) problems.push(`could not be removed: ${removal.message}`);
  const open = await openDescriptors(daemon, descriptors);
  if (open > descriptors) problems.push(`left ${open - descriptors} descriptors open`);
  let after = await world(daemon);
  if (fault.mode === "on" && !Bun.deepEquals(after, before)) {
    // What could not be undone while it lasted is undone by the next daemon.
    await daemon.stop();
    await daemon.start();
    after = await world(daemon);
  }
  if (!Bun.deepEquals(after, before)) problems.push(`left ${difference(before, after)}`);
  const { call, nth, errno, mode } = fault;
  const where = `${action.name}, ${call} ${nth} ${errno} ${mode}, at ${struck?.call} ${struck?.path}`;
  return problems.map((problem) => `${where}: ${problem}; ${error?.code}: ${error?.message}`);
}

function difference(before: object, after: object): string {
  const lines = (from: object) => JSON.stringify(from, null, 1).split("\n");
  const [old, now] = [lines(before), lines(after)];
  const gone = old.filter((line) => !now.includes(line)).map((line) => `-${line.trim()}`);
  const come = now.filter((line) => !old.includes(line)).map((line) => `+${line.trim()}`);
  return [...gone, ...come].join(" ");
}

/** What the action does when nothing fails. */
async function trace(daemon: FaultyDaemon, action: Action): Promise<CountedCall[]> {
  daemon.emptyLog();
  // Once untraced: what the daemon knew of the database it reads anew.
  await action.before(daemon);
  await action.act(daemon);
  await remove(daemon);
  await action.before(daemon);
  const { value, calls } = await daemon.during(undefined, () => action.act(daemon));
  expect(value).toBeUndefined();
  await remove(daemon);
  return calls;
}

async function sweep(daemon: FaultyDaemon, action: Action, faults: readonly Fault[]): Promise<void> {
  const problems: string[] = [];
  for (const fault of faults) {
    try {
      problems.push(...(await strike(daemon, action, fault)));
    } catch (error) {
      throw new Error(`${action.name}, ${JSON.stringify(fault)}: no answer, or no daemon any more`, {
        cause: error,
      });
    }
  }
  console.log(`${action.name}: ${faults.length} faults`);
  expect(problems).toEqual([]);
}

/** The database writes each page in two calls, and each step of a list some pages: one in four comes to each step. */
const inFour = ({ call, path }: CountedCall, index: number) =>
  whole || call !== "pwrite64" || !path.endsWith("-wal") || index % 4 === 0;

describe.skipIf(unavailable !== undefined)("a system call that fails", () => {
  let daemon: FaultyDaemon | undefined;
  for (const action of [createAndStart, stop, deletion]) {
    test(`once during ${action.name} leaves nothing behind`, async () => {
      daemon ??= await bed({ bystander: "running", sleeper: "created" });
      const calls = await trace(daemon, action);
      // A call that is new here wants a line in the table.
      expect(calls.map(({ call }) => call).filter((call) => errnos[call] === undefined)).toEqual([]);
      const faults = Object.entries(errnos).flatMap(([call, possible]) => {
        const same = calls.filter((one) => one.call === call);
        const places = same.flatMap((one, index) => (inFour(one, index) ? [index + 1] : []));
        return possible.flatMap((errno, which) =>
          places
            // Each place is struck; with each of what may strike it, only in the whole.
            .filter((_, index) => whole || index % possible.length === which)
            .map((nth): Fault => ({ call, errno, nth, mode: "once" })),
        );
      });
      await sweep(daemon, action, faults);
    });
  }
  test("once while the daemon makes its key leaves nothing behind", async () => {
    const other = await bed({ sleeper: "created" });
    const calls = await trace(other, firstStart);
    const faults = Object.entries(errnos).flatMap(([call, possible]) => {
      const same = calls.filter((one) => one.call === call);
      const places = same.flatMap(({ path }, index) => (path.startsWith("s/banger/ssh") ? [index + 1] : []));
      return possible.flatMap((errno) => places.map((nth): Fault => ({ call, errno, nth, mode: "once" })));
    });
    await sweep(
      other,
      firstStart,
      faults.filter((_, index) => whole || index % 3 === 0),
    );
    await other.close();
  });
  test("once leaves nothing for the next daemon to do", async () => {
    await daemon?.stop();
    await daemon?.start();
    expect(daemon?.journal()).toEqual([]);
  });

  /** Calls of a group, and one in how many places is taken. */
  const lasting = [
    {
      group: "space",
      errno: "ENOSPC",
      every: 16,
      of: /^(openat\+creat|mkdir|p?write(64)?|fallocate|ficlone)$/,
    },
    {
      group: "descriptors",
      errno: "EMFILE",
      every: 4,
      of: /^(openat(\+creat)?|socketpair|pidfd_open|dup2)$/,
    },
  ] as const;
  for (const { group, errno, every, of } of lasting) {
    for (const action of [createAndStart, stop, deletion]) {
      test(`for lack of ${group} that lasts, during ${action.name}, leaves nothing for good`, async () => {
        const other = await bed({ sleeper: "created" });
        const count = (await trace(other, action)).filter(({ call }) => of.test(call)).length;
        const places = Array.from({ length: count }, (_, index) => index + 1);
        const taken = places.filter((nth) => whole || nth % every === 1);
        await sweep(
          other,
          action,
          taken.map((nth): Fault => ({ call: group, errno, nth, mode: "on" })),
        );
        await other.close();
      });
    }
  }
});
