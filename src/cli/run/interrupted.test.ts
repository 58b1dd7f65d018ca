import { describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { runCli } from "../run-cli.ts";
import { daemonThat, source, vm } from "../testing/fake-run.ts";
import { banger, session } from "../testing/harness.ts";

describe("vm run that is interrupted or fails before its command", () => {
  /** A creation that hangs until it is cancelled. */
  function hanging(reserve: boolean) {
    const under = Promise.withResolvers<AbortSignal>();
    const daemon = daemonThat({
      "vm.create": (_params, { emit, signal }) => {
        if (reserve) emit({ kind: "reserved", vm });
        under.resolve(signal);
        return new Promise(() => {});
      },
    });
    return { daemon, under: under.promise };
  }

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s during creation cancels it, removes the VM and exits %i", async (name, expected) => {
    const { daemon, under } = hanging(true);
    const run = session({ daemon });
    const status = runCli(["vm", "run", "--", "x"], run.ctx);
    const signal = await under;
    run.interrupt(name);
    expect(await status).toBe(expected);
    expect(signal.aborted).toBe(true);
    expect(daemon.methods).toEqual(["config.defaults", "vm.create", "vm.delete"]);
    expect(run.err()).toBe("spec: 4 vcpu | 8192 MiB | 8G disk\ninterrupted: VM calm-otter is taken back\n");
  });

  test("nothing is deleted when there was nothing yet", async () => {
    const { daemon, under } = hanging(false);
    const run = session({ daemon });
    const status = runCli(["vm", "run", "--", "x"], run.ctx);
    await under;
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(daemon.methods).not.toContain("vm.delete");
  });

  test("a VM that the daemon has already removed is fine", async () => {
    const { daemon, under } = hanging(true);
    daemon.handlers["vm.delete"] = () => Promise.reject(new BangerError("not_found", "there is no VM"));
    const run = session({ daemon });
    const status = runCli(["vm", "run", "--", "x"], run.ctx);
    await under;
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(run.err()).toBe("spec: 4 vcpu | 8192 MiB | 8G disk\ninterrupted: VM calm-otter is taken back\n");
  });

  test("an interrupt during the copy stops it and removes the VM", async () => {
    const packing = Promise.withResolvers<void>();
    const daemon = daemonThat();
    const endless = new Readable({ read: () => packing.resolve() });
    const run = session({ daemon, workspace: source({ tar: endless }) });
    const status = runCli(["vm", "run", ".", "--", "x"], run.ctx);
    await packing.promise;
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(endless.destroyed).toBe(true);
    expect(daemon.methods.at(-1)).toBe("vm.delete");
  });

  test("a repository that changes while it is packed stops everything, leaves no VM and is what the error says", async () => {
    const daemon = daemonThat({
      "vm.create": (_params, { emit }) => {
        emit({ kind: "reserved", vm });
        return new Promise(() => {});
      },
    });
    const broken = async function* () {
      yield Buffer.from("some");
      throw new BangerError("bad_repository", "a.txt changed while it was read");
    };
    const { status, err } = await banger(["vm", "run", ".", "--", "x"], {
      daemon,
      workspace: source({ tar: Readable.from(broken()) }),
    });
    expect(status).toBe(1);
    expect(err).toEndWith("banger: a.txt changed while it was read\n");
    expect(daemon.methods.at(-1)).toBe("vm.delete");
  });

  test("a daemon that ends before the VM of --rm is deleted is not said to have failed at it", async () => {
    const daemon = daemonThat({
      "vm.delete": () => Promise.reject(new BangerError("unavailable", "the connection to bangerd was lost")),
    });
    const { status, err } = await banger(["vm", "run", "--rm", "--", "x"], { daemon });
    expect(status).toBe(0);
    expect(err).toContain("bangerd ended before VM calm-otter was deleted");
  });

  test("a guest that refuses the copy keeps its VM for its logs", async () => {
    const daemon = daemonThat({
      "workspace.import": () => Promise.reject(new BangerError("no_space", "no space left in the guest")),
    });
    const { status, err } = await banger(["vm", "run", ".", "--", "x"], { daemon, workspace: source() });
    expect(status).toBe(1);
    expect(err).toContain(
      "banger: no space left in the guest\n  hint: see what it says: banger vm logs calm-otter\n",
    );
    expect(daemon.methods).not.toContain("vm.delete");
  });
});
