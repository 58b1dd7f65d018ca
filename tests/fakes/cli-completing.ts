/**
 * What shells complete, in the completion tests: `internal complete` is the real command with a made-up daemon, some of whose
 * names a shell would obey; any other call says how its words have arrived.
 */
import { appendFileSync } from "node:fs";
import { runProcess } from "../../src/cli/run-process.ts";
import { FakeDaemon, fakeVm } from "../../src/cli/testing/fake-daemon.ts";

const words = process.argv.slice(2);
const image = {
  ...{ id: `sha256:${"ab".repeat(32)}`, sizeBytes: 1024 ** 3, present: true, outdated: false, oci: null },
  ...{ kernel: "debian-cloud-6.1", kind: "built" as const, createdAt: "2026-03-04T10:00:00Z" },
};
/** As no daemon of ours would have it. */
const hostile = "zz $(touch pwned)'`touch pwned`\"; touch pwned;:=";
const daemon = new FakeDaemon({
  "vm.list": () => ["calm-otter", "calm-heron", "plain-kestrel"].map((name) => fakeVm(name)),
  "image.list": () =>
    ["debian-bookworm", "tools", hostile, "esc\x1b[31m"].map((name) => ({
      ...image,
      name,
      description: "about\x1b[2J it",
    })) as never,
  "snapshot.list": ({ ref }) => [{ name: `of-${ref}`, vm: fakeVm("calm-otter"), sizeBytes: 1 }] as never,
});

if (words[0] !== "internal") {
  // Behind the prompt, and told from the line's own echo.
  process.stdout.write(`<<${JSON.stringify(words)}>>\n`);
  process.exit(0);
}
appendFileSync(process.env.COMPLETION_LOG ?? "/dev/null", `${JSON.stringify(words)}\n`);
await runProcess(words, {
  client: async () => Promise.reject(new Error("completion must not start a daemon")),
  running: async () => daemon,
  paths: async () => Promise.reject(new Error("completion must not look for one")),
});
