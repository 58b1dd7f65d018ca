import { describe, expect, test } from "bun:test";
import { FakeDaemon, fakeVm } from "./testing/fake-daemon.ts";
import { banger } from "./testing/harness.ts";

async function refusal(line: string): Promise<string> {
  const { status, out, err } = await banger(line === "" ? [] : line.split(" "));
  expect(out).toBe("");
  return `${status} ${err.trimEnd()}`;
}

describe("a wrong command line is refused before anything happens", () => {
  test.each([
    ["vmm list", "2 banger: unknown command vmm\n  hint: did you mean banger vm?"],
    ["list", "2 banger: unknown command list\n  hint: did you mean banger vm list?"],
    ["frobnicate", "2 banger: unknown command frobnicate\n  hint: see: banger --help"],
    ["constructor", "2 banger: unknown command constructor\n  hint: see: banger --help"],
    ["vm strat x", "2 banger: unknown command strat\n  hint: did you mean banger vm start?"],
    ["vm toString", "2 banger: unknown command toString\n  hint: see: banger vm --help"],
    ["--verison", "2 banger: unknown flag --verison\n  hint: did you mean --version?"],
    ["vm list --jsno", "2 banger: unknown flag --jsno\n  hint: did you mean --json?"],
    ["vm list --no-json", "2 banger: unknown flag --no-json\n  hint: did you mean --json?"],
    ["vm create --start", "2 banger: unknown flag --start\n  hint: see: banger vm create --help"],
    ["vm list -x", "2 banger: unknown flag -x\n  hint: see: banger vm list --help"],
    ["vm list --json --json", "1 banger: --json is given twice\n  hint: see: banger vm list --help"],
    ["vm list --json=yes", "1 banger: --json takes no value\n  hint: see: banger vm list --help"],
    ["vm list extra", '1 banger: unexpected argument "extra"\n  hint: see: banger vm list --help'],
    ["vm list -- extra", "1 banger: nothing may follow -- here\n  hint: see: banger vm list --help"],
    ["vm start", "1 banger: vm is missing\n  hint: see: banger vm start --help"],
    ["vm show", "1 banger: vm is missing\n  hint: see: banger vm show --help"],
    ["vm create --name", "1 banger: --name needs a value: --name NAME\n  hint: see: banger vm create --help"],
    [
      "vm create --name --nat",
      "1 banger: --name needs a value: --name NAME\n  hint: see: banger vm create --help",
    ],
    ["vm create -n", "1 banger: --name needs a value: --name NAME\n  hint: see: banger vm create --help"],
    [
      "vm create --name Otter",
      '1 banger: --name "Otter": character "O" at position 1 is not allowed in a VM name (a-z, 0-9, \'-\'); use lower case\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --name -",
      "1 banger: --name \"-\": a VM name cannot start or end with '-'\n  hint: see: banger vm create --help",
    ],
    [
      "vm create --name=",
      '1 banger: --name "": a VM name cannot be empty\n  hint: see: banger vm create --help',
    ],
    [
      `vm create --name ${"a".repeat(64)}`,
      `1 banger: --name "${"a".repeat(64)}": a VM name has at most 63 characters, this one has 64\n  hint: see: banger vm create --help`,
    ],
    [
      "vm create --vcpu 0",
      '1 banger: --vcpu "0": must be a whole number from 1 to 64\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --vcpu 2.5",
      '1 banger: --vcpu "2.5": must be a whole number from 1 to 64\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --vcpu=-1",
      '1 banger: --vcpu "-1": must be a whole number from 1 to 64\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --memory 1MiB",
      '1 banger: --memory "1MiB": must be at least 128M\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --memory lots",
      '1 banger: --memory "lots": is not a size (such as 512M or 16G; a bare number is MiB)\n  hint: see: banger vm create --help',
    ],
    [
      "vm create --disk-size 1K",
      '1 banger: --disk-size "1K": must be at least 16M\n  hint: see: banger vm create --help',
    ],
    [
      "vm kill x --signal STOP",
      '1 banger: --signal "STOP": must be one of TERM, KILL, INT, HUP, QUIT, USR1, USR2, ABRT\n  hint: see: banger vm kill --help',
    ],
    [
      "vm logs x --source disk",
      '1 banger: --source "disk": must be console, vmm or daemon\n  hint: see: banger vm logs --help',
    ],
    ["vm exec x", "1 banger: command is missing\n  hint: it goes after --: banger vm exec ... -- command"],
    ["vm exec x --", "1 banger: command is missing after --\n  hint: see: banger vm exec --help"],
    [
      "vm exec x make test",
      '1 banger: unexpected argument "make"\n  hint: a command for the guest goes after --: banger vm exec ... -- make test',
    ],
    [
      "vm run make test",
      '1 banger: unexpected argument "test"\n  hint: a command for the guest goes after --: banger vm run ... -- make test, or banger vm run make -- test',
    ],
    ["vm exec x --guest-path etc -- ls", '1 banger: --guest-path "etc": must begin with /'],
    [
      "vm run . make test",
      '1 banger: unexpected argument "make"\n  hint: a command for the guest goes after --: banger vm run ... -- make test',
    ],
    [
      "vm run --branch b",
      "1 banger: --branch needs a repository\n  hint: give its path: banger vm run ./repo --branch",
    ],
    [
      "vm run --from HEAD",
      "1 banger: --from needs a repository\n  hint: give its path: banger vm run ./repo --from",
    ],
    [
      "vm run --include-untracked",
      "1 banger: --include-untracked needs a repository\n  hint: give its path: banger vm run ./repo --include-untracked",
    ],
    [
      "vm run --dry-run",
      "1 banger: --dry-run needs a repository\n  hint: give its path: banger vm run ./repo --dry-run",
    ],
    [
      "vm run . --from HEAD",
      "1 banger: --from needs --branch\n  hint: name the branch that begins there: --branch NAME --from REF",
    ],
    ["vm run . --", "1 banger: no command after --\n  hint: leave -- out for a shell"],
    [
      "internal connect x 0",
      '1 banger: port "0": must be a port from 1 to 65535\n  hint: see: banger internal connect --help',
    ],
  ])("%s", async (line, expected) => {
    expect(await refusal(line)).toBe(expected);
  });

  test("a word with control characters is shown harmless", async () => {
    const { err, status } = await banger(["vm", "\x1b]0;owned\x07"]);
    expect(status).toBe(2);
    expect(err).toBe("banger: unknown command \\x1b]0;owned\\x07\n  hint: see: banger vm --help\n");
  });
});

describe("flags", () => {
  const daemon = () => new FakeDaemon({ "vm.list": () => [fakeVm("calm-otter")] });

  test("short switches may be bundled", async () => {
    const { out, status } = await banger(["image", "list", "-aq"], {
      daemon: new FakeDaemon({
        "image.list": ({ available }) => (available ? [] : Promise.reject(new Error("no"))),
      }),
    });
    expect([status, out]).toEqual([0, ""]);
  });

  test("values may be given as --flag=value, also when they begin with a dash", async () => {
    const { err } = await banger(["vm", "create", "--image=-odd", "--name=-x"]);
    expect(err).toContain('--name "-x"');
  });

  test("flags may stand before and after arguments", async () => {
    const one = new FakeDaemon({ "vm.show": () => fakeVm("a") });
    expect((await banger(["vm", "show", "--json", "a"], { daemon: one })).status).toBe(0);
    expect((await banger(["vm", "show", "a", "--json"], { daemon: one })).status).toBe(0);
  });

  test("ps, vm ls and vm list are the same", async () => {
    const outputs = [];
    for (const words of [["ps"], ["vm", "ls"], ["vm", "ps"], ["vm", "list"]]) {
      outputs.push((await banger(words, { daemon: daemon() })).out);
    }
    expect(new Set(outputs).size).toBe(1);
  });
});
