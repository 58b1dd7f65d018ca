import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeDaemon } from "./testing/fake-daemon.ts";
import { banger } from "./testing/harness.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "banger ssh 100% "));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const own = () => join(home, ".ssh/config");
const written = () => join(home, ".config/banger/ssh_config");
const access = () => ({
  identityFile: join(home, "state/id_ed25519"),
  knownHostsFile: join(home, "state/known_hosts"),
});
const call = (...flags: string[]) =>
  banger(["ssh-config", ...flags], {
    daemon: new FakeDaemon({ "ssh.config": access }),
    env: { HOME: home },
  });
function give(content: string | Uint8Array, mode = 0o600): void {
  mkdirSync(join(home, ".ssh"), { mode: 0o700 });
  writeFileSync(own(), content);
  chmodSync(own(), mode);
}

test("it writes banger's file and says which line reads it, and leaves the person's alone", async () => {
  const { status, out, err } = await call();
  expect([status, out]).toEqual([0, `Include "${written().replace("%", "?")}"\n`]);
  expect(err).toContain("banger ssh-config --install");
  expect(existsSync(join(home, ".ssh"))).toBe(false);
  expect(statSync(written()).mode & 0o777).toBe(0o600);
});

/** As OpenSSH understands it, for a host; `extra` stands after the line, as a person's own configuration does. */
function understood(extra: string, host: string): Map<string, string> {
  const file = join(home, "config");
  writeFileSync(file, `Include "${written().replace("%", "?")}"\n${extra}`);
  const lines = execFileSync("ssh", ["-F", file, "-G", host], { encoding: "utf8" }).trim().split("\n");
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
}

test("OpenSSH reads it, paths with spaces and percent signs included, whatever the person says of all hosts", async () => {
  await call();
  const theirs =
    "Host *\n  User me\n  ForwardAgent yes\n  StrictHostKeyChecking no\n  Port 2222\n  ProxyJump gate\n  ServerAliveInterval 7\n";
  const found = understood(theirs, "Calm-Otter.vm");
  expect(Object.fromEntries(found)).toMatchObject({
    ...{ user: "root", port: "22", hostname: "calm-otter.vm", forwardagent: "no", serveraliveinterval: "7" },
    ...{ stricthostkeychecking: "true", identitiesonly: "yes", passwordauthentication: "no" },
    proxycommand: "'/usr/local/bin/banger' internal connect %h %p",
  });
  expect(found.get("identityfile")).toContain("state/id_ed25519");
  expect(found.get("userknownhostsfile")).toContain("state/known_hosts");
  expect(Object.fromEntries(understood(theirs, "elsewhere.example"))).toMatchObject({
    user: "me",
    port: "2222",
  });
});

describe("--install and --uninstall", () => {
  test("make ~/.ssh for whoever has none, private", async () => {
    expect(await call("--install")).toMatchObject({
      status: 0,
      err: expect.stringContaining("put at the top"),
    });
    expect([statSync(join(home, ".ssh")).mode & 0o777, statSync(own()).mode & 0o777]).toEqual([0o700, 0o600]);
    expect((await call("--install")).err).toContain("has it already");
    expect(existsSync(written())).toBe(true);
    expect((await call("--uninstall")).err).toContain("taken out");
    // Else doctor would go on about it.
    expect(existsSync(written())).toBe(false);
    expect(existsSync(own())).toBe(false);
    expect((await call("--uninstall")).err).toContain("nothing of banger's");
  });

  test("leave an empty file that was there, and one that has something else by now", async () => {
    give("");
    await call("--install");
    await call("--uninstall");
    expect(readFileSync(own(), "utf8")).toBe("");
    rmSync(own());
    await call("--install");
    writeFileSync(own(), `${readFileSync(own(), "utf8")}Host a\n`);
    await call("--uninstall");
    expect(readFileSync(own(), "utf8")).toBe("Host a\n");
  });

  test("have nothing to take out where there is no configuration, and make none", async () => {
    expect(await call("--uninstall")).toMatchObject({ status: 0 });
    expect(existsSync(join(home, ".ssh"))).toBe(false);
  });

  test("keep every byte, the mode and the group of what was there", async () => {
    const theirs = Buffer.from("Host \xff\xfe\r\n\tUser ü\r\n# no end of line", "latin1");
    give(theirs, 0o640);
    if (process.getuid?.() === 0) chownSync(own(), 0, 33);
    const group = statSync(own()).gid;
    await call("--install");
    const installed = readFileSync(own());
    expect(installed.subarray(-theirs.length).equals(theirs)).toBe(true);
    expect(installed.toString("latin1").split("\r\n")[1]).toBe(`Include "${written().replace("%", "?")}"`);
    expect([statSync(own()).mode & 0o777, statSync(own()).gid]).toEqual([0o640, group]);
    await call("--uninstall");
    expect(readFileSync(own()).equals(theirs)).toBe(true);
    expect(readdirSync(join(home, ".ssh"))).toEqual(["config"]);
  });

  test("write through a link, which stays one", async () => {
    mkdirSync(join(home, "dotfiles"));
    mkdirSync(join(home, ".ssh"));
    writeFileSync(join(home, "dotfiles/ssh"), "Host a\n");
    symlinkSync("../dotfiles/ssh", own());
    await call("--install");
    expect(lstatSync(own()).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(home, "dotfiles/ssh"), "utf8")).toEndWith("Host a\n");
    expect(readFileSync(own(), "utf8")).toContain("Include");
  });

  test("find what a killed banger has left beside the file, and leave alone what another one is writing", async () => {
    give("Host a\n");
    const another = `.config.banger-new-${process.ppid}-0123456789ab`;
    writeFileSync(join(home, ".ssh/.config.banger-new-9999999-0123456789ab"), "half");
    writeFileSync(join(home, ".ssh", another), "half");
    await call("--install");
    expect(readdirSync(join(home, ".ssh")).sort()).toEqual([another, "config"]);
  });

  test("are not both done", async () => {
    expect(await call("--install", "--uninstall")).toMatchObject({ status: 1 });
  });
});

describe("refused, and left as it is, is", () => {
  const refused = async (why: string) => {
    const before = existsSync(own()) && lstatSync(own()).isFile() ? readFileSync(own()) : undefined;
    for (const flag of ["--install", "--uninstall"])
      expect(await call(flag)).toMatchObject({ status: 1, err: expect.stringContaining(why) });
    if (before !== undefined) expect(readFileSync(own()).equals(before)).toBe(true);
  };

  test("a configuration whose markers somebody has damaged", async () => {
    give("# >>> banger >>>\nInclude x\nHost a\n");
    await refused("that nothing ends");
  });

  test("a link to nothing", async () => {
    mkdirSync(join(home, ".ssh"));
    symlinkSync("nowhere", own());
    await refused("a link to nothing");
  });

  test("a directory", async () => {
    mkdirSync(own(), { recursive: true });
    await refused("no plain file");
  });

  test("a file with another name", async () => {
    give("Host a\n");
    linkSync(own(), join(home, "other"));
    await refused("hard links");
  });

  test("another user's", async () => {
    give("Host a\n");
    if (process.getuid?.() !== 0) return;
    chownSync(own(), 12_345, 12_345);
    await refused("uid 12345");
  });
});
