/**
 * banger's real CLI process with a daemon of the test's own inside: its guest is a function. Run as a program by the
 * terminal tests. On a PTY the guest shows each byte in hex, and leaves with status 7 at "q".
 */
import { writeFileSync } from "node:fs";
import { runProcess } from "../../src/cli/run-process.ts";
import { FakeDaemon, fakeDefaults, fakeVm } from "../../src/cli/testing/fake-daemon.ts";
import { type FakeProcess, fakeGuest } from "../../src/cli/testing/fake-guest.ts";
import { fakeStats } from "../../src/cli/testing/fake-stats.ts";

async function guest(child: FakeProcess): Promise<number> {
  const { argv, stdio, stderr } = child;
  if (argv[0] === "flood") {
    for (;;) {
      if (stdio.destroyed) return 0;
      const more = stdio.write(Buffer.alloc(65_536, "y\n"));
      if (more) await new Promise((resolve) => setImmediate(resolve));
      else if (
        await Promise.race([
          new Promise((resolve) => stdio.once("drain", () => resolve(false))),
          child.signalled,
        ])
      ) {
        return 128 + (await child.signalled);
      }
    }
  }
  if (argv[0] === "copy") {
    for await (const chunk of stdio.iterator({ destroyOnReturn: false })) {
      if (!stdio.write(chunk)) await new Promise((resolve) => stdio.once("drain", resolve));
    }
    stderr.write("copied\n");
    return 0;
  }
  if (argv[0] === "sleep") {
    stdio.write("sleeping\n");
    return 128 + (await child.signalled);
  }
  stdio.write(child.tty ? "ready\r\n" : "no tty\n");
  for await (const chunk of stdio.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    stdio.write(`<${bytes.toString("hex")}>`);
    if (bytes.includes("q")) return 7;
  }
  return 0;
}

const vm = fakeVm("calm-otter");
const daemon: FakeDaemon = new FakeDaemon({
  "config.defaults": () => fakeDefaults,
  "vm.create": async (_params, { emit, signal }) => {
    emit({ kind: "reserved", vm });
    emit({ kind: "stage", stage: "guest_ready", status: "begin" });
    if (process.env.FAKE_HANG === "1")
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    emit({ kind: "stage", stage: "guest_ready", status: "done", ms: 300 });
    return vm;
  },
  "vm.show": () => vm,
  "vm.list": () => Array.from({ length: 2000 }, () => vm),
  "vm.stats": () => {
    if (process.env.FAKE_BUG === "1")
      setTimeout(() => {
        throw new Error("a bug of banger's own");
      }, 100);
    return [fakeStats("calm-otter")];
  },
  "vm.delete": () => {
    process.stderr.write("[deleted]\n");
    if (process.env.FAKE_MARK !== undefined) writeFileSync(process.env.FAKE_MARK, "deleted");
    return {};
  },
  ...fakeGuest(() => daemon, guest),
  "guest.resize": ({ columns, rows }) => {
    process.stderr.write(`[resized ${columns}x${rows}]`);
    return {};
  },
});

await runProcess(process.argv.slice(2), {
  client: async () => daemon,
  running: async () => daemon,
  paths: async () => ({
    mode: "user",
    reason: "a test",
    socket: "/nowhere/bangerd.sock",
    daemonLog: "/nowhere/bangerd.log",
  }),
});
