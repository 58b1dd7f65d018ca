import { describe, expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import { loginShell } from "../guest/login-shell.ts";
import { runCli } from "../run-cli.ts";
import { fakeVm } from "../testing/fake-daemon.ts";
import { daemonThat, source, vm, workspace } from "../testing/fake-run.ts";
import { banger, session } from "../testing/harness.ts";

describe("vm run", () => {
  test("plans, creates and runs; only the command writes to stdout", async () => {
    const daemon = daemonThat();
    const { status, out, err } = await banger(["vm", "run", "--", "make", "test"], { daemon });
    expect([status, out]).toEqual([0, "ran make test\n"]);
    expect(daemon.methods).toEqual(["config.defaults", "vm.create", "guest.exec"]);
    expect(err).toBe("spec: 4 vcpu | 8192 MiB | 8G disk\ncalm-otter ready in 0.00s\n");
  });

  test("sends the very values that the spec line shows", async () => {
    const daemon = daemonThat();
    const words = [
      "vm",
      "run",
      "--vcpu",
      "2",
      "--memory=2G",
      "--disk-size",
      "16G",
      "--nat",
      "--name",
      "devbox",
      "--",
      "id",
    ];
    const { err } = await banger(words, { daemon });
    expect(err).toStartWith("spec: 2 vcpu | 2048 MiB | 16G disk\n");
    expect(daemon.calls[1]?.params).toEqual({
      name: "devbox",
      image: "debian-bookworm",
      vcpu: 2,
      memoryMiB: 2048,
      diskBytes: 16 * 1024 ** 3,
      overlayBytes: 8 * 1024 ** 3,
      nat: true,
      start: true,
      ephemeral: false,
    });
  });

  test("the command runs as who is asked for, in a repository too", async () => {
    const daemon = daemonThat();
    await banger(["vm", "run", "--user", "1000:100", ".", "--", "id"], { daemon, workspace: source() });
    expect(daemon.calls.find(({ method }) => method === "guest.exec")?.params).toMatchObject({
      user: "1000:100",
    });
  });

  test("a word after -- that looks like a flag or a path is the command's", async () => {
    const daemon = daemonThat();
    const { out } = await banger(["vm", "run", "--rm", "--", "script.sh", "--rm"], { daemon });
    expect(out).toBe("ran script.sh --rm\n");
    expect(daemon.methods).not.toContain("workspace.import");
  });

  test("the command's status is banger's, and nothing else is", async () => {
    expect((await banger(["vm", "run", "--", "false"], { daemon: daemonThat({}, 42) })).status).toBe(42);
    const failing = daemonThat({
      "vm.create": () => Promise.reject(new BangerError("no_space", "the disk is full")),
    });
    expect((await banger(["vm", "run", "--", "false"], { daemon: failing })).status).toBe(1);
  });

  test("sends the workspace while the guest boots, and runs the command after both", async () => {
    const imported = Promise.withResolvers<void>();
    const daemon = daemonThat({
      "vm.create": async (_params, { emit }) => {
        emit({ kind: "reserved", vm });
        await imported.promise;
        return vm;
      },
    });
    const plain = daemon.handlers["workspace.import"];
    daemon.handlers["workspace.import"] = async (params, call) => {
      const result = await (plain?.(params, call) ?? Promise.reject(new Error("no import")));
      imported.resolve();
      return result;
    };
    const { status } = await banger(["vm", "run", ".", "--", "ls"], { daemon, workspace: source() });
    expect(status).toBe(0);
    expect(daemon.methods).toEqual(["config.defaults", "vm.create", "workspace.import", "guest.exec"]);
    expect(daemon.calls[2]?.params).toEqual({ ref: vm.id, workspace });
  });

  test("says once that untracked files stay behind", async () => {
    const { err } = await banger(["vm", "run", ".", "--", "ls"], {
      daemon: daemonThat(),
      workspace: source({ notices: ["skipped 3 untracked files"] }),
    });
    expect(err).toContain("skipped 3 untracked files\n");
  });

  test("--dry-run lists the files and never asks the daemon", async () => {
    const { status, out, err } = await banger(["vm", "run", ".", "--dry-run"], { workspace: source() });
    expect([status, out, err]).toEqual([0, "100644 README.md\n", ""]);
  });

  test("a repository that cannot be used is refused before any VM exists", async () => {
    const daemon = daemonThat();
    const { status, err } = await banger(["vm", "run", "/nowhere", "--", "ls"], {
      daemon,
      workspace: () => Promise.reject(new BangerError("bad_repository", "/nowhere does not exist")),
    });
    expect([status, err]).toEqual([1, "banger: /nowhere does not exist\n"]);
    expect(daemon.methods).toEqual([]);
  });

  test("without a command opens a login shell and says how to stop what stays", async () => {
    const daemon = daemonThat({}, 1);
    const tty = { stdin: true, stdout: true };
    const { status, out, err } = await banger(["vm", "run"], { daemon, tty });
    expect([status, out]).toEqual([0, `ran ${loginShell.join(" ")}\n`]);
    expect(err).toEndWith("VM calm-otter is still running; stop with: banger vm stop calm-otter\n");
  });

  test("says nothing of what stays when the guest was powered off from inside", async () => {
    const daemon = daemonThat({
      "vm.show": () => fakeVm("calm-otter", { state: "stopped" }),
      "guest.exec": () => Promise.reject(new BangerError("guest_failed", "the guest has gone")),
    });
    const { status, err } = await banger(["vm", "run"], { daemon });
    expect(status).toBe(0);
    expect(err).toEndWith("VM calm-otter is stopped\n");
  });
});

describe("vm run --rm", () => {
  test.each([0, 1, 42, 255])("deletes the VM after status %i", async (status) => {
    const daemon = daemonThat({}, status);
    const { status: ours, err } = await banger(["vm", "run", "--rm", "--", "x"], { daemon });
    expect(ours).toBe(status);
    expect(daemon.methods.at(-1)).toBe("vm.delete");
    expect(daemon.calls[1]?.params).toMatchObject({ ephemeral: true });
    expect(err).not.toContain("still running");
  });

  test("deletes it when the command is lost", async () => {
    const daemon = daemonThat({
      "guest.exec": () => Promise.reject(new BangerError("guest_failed", "the guest has gone")),
    });
    expect((await banger(["vm", "run", "--rm", "--", "x"], { daemon })).status).toBe(1);
    expect(daemon.methods.at(-1)).toBe("vm.delete");
  });

  test("keeps a VM that never came up and points at its logs", async () => {
    const daemon = daemonThat({
      "vm.create": (_params, { emit }) => {
        emit({ kind: "reserved", vm });
        throw new BangerError("timeout", "the guest of VM calm-otter did not come up in 60 s");
      },
    });
    const { status, err } = await banger(["vm", "run", "--rm", "--", "x"], { daemon });
    expect(status).toBe(1);
    expect(daemon.methods).not.toContain("vm.delete");
    expect(err).toEndWith(
      "banger: the guest of VM calm-otter did not come up in 60 s\n  hint: see what it says: banger vm logs calm-otter\n        it is kept for that; when you have seen it: banger vm delete calm-otter\n",
    );
  });

  test("a deletion that fails is told and does not change the status", async () => {
    const daemon = daemonThat(
      { "vm.delete": () => Promise.reject(new BangerError("operation_failed", "a disk is busy")) },
      7,
    );
    const { status, err } = await banger(["vm", "run", "--rm", "--", "x"], { daemon });
    expect(status).toBe(7);
    expect(err).toEndWith(
      "banger: VM calm-otter is not deleted: a disk is busy\n  hint: try again: banger vm delete calm-otter\n",
    );
  });

  test("Ctrl-C does not shorten the deletion", async () => {
    const deleting = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    let aborted = false;
    const daemon = daemonThat({
      "vm.delete": async (_params, { signal }) => {
        signal.addEventListener("abort", () => (aborted = true));
        deleting.resolve();
        await finish.promise;
        return {};
      },
    });
    const run = session({ daemon });
    const status = runCli(["vm", "run", "--rm", "--", "x"], run.ctx);
    await deleting.promise;
    run.interrupt("SIGINT");
    run.interrupt("SIGINT");
    finish.resolve();
    expect(await status).toBe(0);
    expect(aborted).toBe(false);
  });
});
