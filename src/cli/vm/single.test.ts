import { describe, expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import { runCli } from "../run-cli.ts";
import { bytePair } from "../testing/byte-pair.ts";
import { FakeDaemon, type FakeHandlers, fakeDefaults, fakeVm } from "../testing/fake-daemon.ts";
import { banger, session } from "../testing/harness.ts";

const vm = fakeVm("calm-otter");

describe("vm create", () => {
  const daemon = (change: FakeHandlers = {}) =>
    new FakeDaemon({ "config.defaults": () => fakeDefaults, "vm.create": () => vm, ...change });

  test("asks for an image on this disk by its whole path: the daemon works elsewhere", async () => {
    for (const [asked = "", sent] of [
      ["oci:layout:t", "oci:/work/layout:t"],
      ["docker-archive:/saved.tar", "docker-archive:/saved.tar"],
      ["debian:trixie", "debian:trixie"],
    ]) {
      const fake = daemon();
      await banger(["vm", "create", "--image", asked], { daemon: fake });
      expect(fake.calls[1]?.params).toMatchObject({ image: sent });
    }
  });

  test("shows the spec, starts the VM and prints its name", async () => {
    const fake = daemon();
    const { status, out, err } = await banger(["vm", "create"], { daemon: fake });
    expect([status, out]).toEqual([0, "calm-otter\n"]);
    expect(err).toBe("spec: 4 vcpu | 8192 MiB | 8G disk\nready in 0.00s\n");
    expect(fake.calls[1]?.params).toMatchObject({
      start: true,
      ephemeral: false,
      image: "debian-bookworm",
      nat: false,
    });
  });

  test("says so when the daemon has not read what config.toml says now", async () => {
    const daemon = new FakeDaemon({
      "config.defaults": () => ({ ...fakeDefaults, configChanged: true }),
      "vm.create": () => fakeVm("x"),
    });
    const { status, err } = await banger(["vm", "create", "--name", "x"], { daemon });
    expect(status).toBe(0);
    expect(err).toContain(
      "/home/u/.config/banger/config.toml has changed, and bangerd reads it when it starts",
    );
  });

  test("shows no spec of a VM that is refused at once", async () => {
    const refuses = () => Promise.reject(new BangerError("not_found", "there is no image x"));
    const { status, err } = await banger(["vm", "create"], { daemon: daemon({ "vm.create": refuses }) });
    expect([status, err]).toEqual([1, "banger: there is no image x\n"]);
  });

  test("--no-start only makes it", async () => {
    const fake = daemon();
    await banger(["vm", "create", "--no-start", "--image", "other"], { daemon: fake });
    expect(fake.calls[1]?.params).toMatchObject({ start: false, image: "other" });
  });

  test("Ctrl-C cancels it and exits 130", async () => {
    const under = Promise.withResolvers<void>();
    const fake = daemon({
      "vm.create": () => {
        under.resolve();
        return new Promise(() => {});
      },
    });
    const run = session({ daemon: fake });
    const status = runCli(["vm", "create"], run.ctx);
    await under.promise;
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
  });

  test("a name that is taken is an error of one line and a hint", async () => {
    const fake = daemon({
      "vm.create": () => {
        throw new BangerError("already_exists", "there is a VM named devbox", { hint: "pick another name" });
      },
    });
    const { status, err } = await banger(["vm", "create", "--name", "devbox"], { daemon: fake });
    expect(status).toBe(1);
    expect(err).toEndWith("banger: there is a VM named devbox\n  hint: pick another name\n");
  });
});

describe("vm logs", () => {
  function logging(bytes: string): FakeDaemon {
    const daemon: FakeDaemon = new FakeDaemon({
      "vm.logs": () => {
        const [near, far] = bytePair();
        far.end(bytes);
        return { ticket: daemon.ticket(near) };
      },
    });
    return daemon;
  }

  test("goes into a pipe as it is", async () => {
    const daemon = logging("boot\r\n\x1b[2J\x07");
    expect((await banger(["vm", "logs", "x"], { daemon })).out).toBe("boot\r\n\x1b[2J\x07");
    expect(daemon.calls[0]?.params).toEqual({ ref: "x", source: "console", follow: false });
  });

  test("is made harmless for a terminal", async () => {
    const daemon = logging("\x1b[32mboot\x1b[0m\r\n\x1b[2J\x07");
    const { out } = await banger(["vm", "logs", "-f", "x", "--source=vmm"], {
      daemon,
      tty: { stdout: true },
    });
    expect(out).toBe("\x1b[32mboot\x1b[0m\n\\x1b[2J\\x07");
    expect(daemon.calls[0]?.params).toEqual({ ref: "x", source: "vmm", follow: true });
  });

  test("that is followed and empty says what it waits for, once", async () => {
    const [near, far] = bytePair();
    const daemon: FakeDaemon = new FakeDaemon({ "vm.logs": () => ({ ticket: daemon.ticket(near) }) });
    const run = session({ daemon });
    const status = runCli(["vm", "logs", "-f", "x"], run.ctx);
    await Bun.sleep(1);
    run.advance(600);
    run.advance(600);
    expect(run.err()).toBe(
      "the console's log is empty: where all goes well, nothing is said; waiting for more, until Ctrl-C\n",
    );
    far.end("boot\n");
    expect([await status, run.out()]).toEqual([0, "boot\n"]);
  });

  test("may be only its end, and the daemon's", async () => {
    const daemon = logging("");
    const { err } = await banger(["vm", "logs", "x", "--tail", "20", "--source", "daemon"], { daemon });
    expect(daemon.calls[0]?.params).toEqual({ ref: "x", source: "daemon", follow: false, tail: 20 });
    expect(err).toBe("the daemon's log has nothing about this VM\n");
  });
});

test("vm ssh -A without an ssh-agent is refused before the daemon is asked", async () => {
  const { status, err } = await banger(["vm", "ssh", "-A", "calm-otter"]);
  expect([status, err]).toEqual([
    1,
    'banger: there is no ssh-agent to forward: SSH_AUTH_SOCK is not set\n  hint: start one: eval "$(ssh-agent)"; ssh-add\n',
  ]);
});
