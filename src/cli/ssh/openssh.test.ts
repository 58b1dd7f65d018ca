import { describe, expect, test } from "bun:test";
import { fakeVm } from "../testing/fake-daemon.ts";
import { findProgram, sshArguments } from "./openssh.ts";

const access = {
  vm: fakeVm("calm-otter"),
  user: "root",
  identityFile: "/home/u/.local/state/banger/ssh/id_ed25519",
  knownHostsFile: "/home/u/.local/state/banger/vms/1/known_hosts",
  hostAlias: "calm-otter.vm",
};

function option(args: readonly string[], key: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${key}=`))?.slice(key.length + 1);
}

describe("ssh is called", () => {
  test("with nothing of the user's, banger's key and the pinned host key only", () => {
    const args = sshArguments(access, ["/usr/local/bin/banger"], []);
    expect(args.slice(0, 2)).toEqual(["-F", "/dev/null"]);
    expect(option(args, "ProxyCommand")).toBe("'/usr/local/bin/banger' internal connect %h %p");
    expect(option(args, "IdentitiesOnly")).toBe("yes");
    expect(option(args, "StrictHostKeyChecking")).toBe("yes");
    expect(option(args, "UserKnownHostsFile")).toBe('"/home/u/.local/state/banger/vms/1/known_hosts"');
    expect(option(args, "GlobalKnownHostsFile")).toBe("/dev/null");
    expect(option(args, "HostKeyAlias")).toBe("calm-otter.vm");
    expect(args.slice(-3)).toEqual(["-l", "root", "calm-otter.vm"]);
  });

  test("with the words after -- as they are", () => {
    expect(sshArguments(access, ["banger"], ["-L", "8080:localhost:80", "uptime; id"]).slice(-4)).toEqual([
      "calm-otter.vm",
      "-L",
      "8080:localhost:80",
      "uptime; id",
    ]);
  });

  test("with paths that hold spaces, quotes for the shell, and percent signs", () => {
    const odd = { ...access, identityFile: "/home/ü u/100%/id", knownHostsFile: "/k n/a" };
    const args = sshArguments(odd, ["/opt/my 'bun'/100%", "/src/main.ts"], []);
    expect(option(args, "ProxyCommand")).toBe(
      "'/opt/my '\\''bun'\\''/100%%' '/src/main.ts' internal connect %h %p",
    );
    expect(option(args, "IdentityFile")).toBe('"/home/ü u/100%%/id"');
    expect(option(args, "UserKnownHostsFile")).toBe('"/k n/a"');
  });

  test("never with a path that it would read as something else", () => {
    expect(() => sshArguments({ ...access, identityFile: '/a"b' }, ["banger"], [])).toThrow("quote");
    for (const name of ["-F/home/dev/evil", "a;id", "a b", ""])
      expect(() => sshArguments({ ...access, vm: { ...access.vm, name: name as never } }, [], [])).toThrow(
        "name",
      );
  });
});

test("a program is found in PATH, never in relative entries", async () => {
  expect(await findProgram("sh", "/nowhere:/bin")).toBe("/bin/sh");
  expect(await findProgram("sh", ".:bin:")).toBeUndefined();
});
