import { describe, expect, test } from "bun:test";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { fakeGuest } from "../testing/fake-guest.ts";
import { daemonThat, source, workspace } from "../testing/fake-run.ts";
import { banger } from "../testing/harness.ts";

const without = () => new FakeDaemon({ "vm.show": () => fakeVm("calm-otter") });

describe("vm workspace, diff and pull refuse before anything is done", () => {
  const cases: [string[], string][] = [
    [["vm", "workspace", "mend", "x"], "must be one of prepare, export"],
    [["vm", "workspace", "export", "x", "./repo"], "a path is not for vm workspace export"],
    [["vm", "workspace", "export", "x", "--include", "a"], "--include is not for vm workspace export"],
    [
      ["vm", "workspace", "prepare", "x", "--base-commit", "a"],
      "--base-commit is not for vm workspace prepare",
    ],
    [["vm", "workspace", "prepare", "x", "./r", "--from", "a"], "--from needs --branch"],
    [["vm", "workspace", "prepare", "x", "./r", "--guest-path", "rel"], "must begin with /"],
    [["vm", "workspace", "prepare", "x", "./r", "--guest-path", "/a/../b"], "must be a plain path"],
    [["vm", "workspace", "prepare", "x", "./r", "--guest-path", "/"], "must be a plain path"],
    [["vm", "pull", "x", "--apply", "--branch", "b"], "--apply changes the working tree, and no branch"],
  ];
  for (const [words, said] of cases) {
    test(words.join(" "), async () => {
      const { status, err } = await banger(words);
      expect([status, err.includes(said)]).toEqual([1, true]);
    });
  }

  for (const words of [["diff"], ["pull"], ["workspace", "prepare"], ["workspace", "export"]]) {
    test(`vm ${words.join(" ")} of a VM without a workspace says how it gets one`, async () => {
      const { status, err } = await banger(["vm", ...words, "calm-otter"], { daemon: without() });
      expect(status).toBe(1);
      expect(err).toContain("banger vm workspace prepare calm-otter PATH");
    });
  }
});

test("prepare --dry-run of a path needs no daemon", async () => {
  const words = [
    "vm",
    "workspace",
    "prepare",
    "x",
    "./repo",
    "--dry-run",
    "--include",
    "a",
    "--include",
    "b",
  ];
  expect((await banger(words, { workspace: source() })).out).toBe("100644 README.md\n");
});

test("exec asks for the VM beside the command, and says nothing of a repository that is not there", async () => {
  const daemon = daemonThat({ "vm.show": () => fakeVm("calm-otter", { workspace }) });
  const { status, out, err } = await banger(["vm", "exec", "calm-otter", "--", "true"], { daemon });
  expect([status, out, err]).toEqual([0, "ran true\n", ""]);
});

test("diff on a terminal says how far it is, until the patch itself is shown", async () => {
  const patch = "diff --git a/a b/a\n";
  const fake: FakeDaemon = daemonThat({
    "vm.show": () => fakeVm("calm-otter", { workspace }),
    ...fakeGuest(
      () => fake,
      async ({ stdio }) => {
        stdio.write(patch);
        return 0;
      },
    ),
  });
  const shown = async (tty: { stdout?: boolean; stderr?: boolean }) => {
    const env = { NO_COLOR: "1" };
    return (await banger(["vm", "diff", "calm-otter"], { daemon: fake, tty, env })).err;
  };
  expect(await shown({ stdout: true, stderr: true })).toBe(
    "- looking at the guest's work 0.00s\n\x1b[1A\r\x1b[0J",
  );
  expect(await shown({})).toBe("");
});
