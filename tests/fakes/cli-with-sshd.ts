/** banger's real CLI process with a made-up daemon whose guest's port 22 is `sshd -i`. Run by the ssh tests. */
import { execFileSync, spawn } from "node:child_process";

import { join } from "node:path";
import { Duplex } from "node:stream";
import { runProcess } from "../../src/cli/run-process.ts";
import { FakeDaemon, fakeVm } from "../../src/cli/testing/fake-daemon.ts";

const directory = process.env.FAKE_SSH_DIR ?? "";
const vm = fakeVm("calm-otter");

const daemon: FakeDaemon = new FakeDaemon({
  "vm.ssh": () => ({
    vm,
    user: execFileSync("id", ["-un"], { encoding: "utf8" }).trim(),
    identityFile: join(directory, "id"),
    knownHostsFile: join(directory, "known_hosts"),
    hostAlias: "calm-otter.vm",
  }),
  "guest.connect": ({ ref, port }) => {
    if (ref !== "calm-otter" || port !== 22) throw new Error(`connected to ${ref}:${port}`);
    const options = [
      `HostKey="${join(directory, process.env.FAKE_HOST_KEY ?? "host_key")}"`,
      `AuthorizedKeysFile="${join(directory, "authorized_keys")}"`,
      "StrictModes=no",
      "UsePAM=no",
    ];
    const args = ["-i", "-e", "-f", "/dev/null", ...options.flatMap((option) => ["-o", option])];
    const child = spawn(process.env.FAKE_SSHD ?? "sshd", args, { stdio: ["pipe", "pipe", "ignore"] });
    return { ticket: daemon.ticket(Duplex.from({ readable: child.stdout, writable: child.stdin })) };
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
