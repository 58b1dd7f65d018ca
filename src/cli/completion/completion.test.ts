import { describe, expect, test } from "bun:test";
import { groups, topLevel } from "../commands.ts";
import { flagsOf, positionalsOf } from "../parse.ts";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger, session } from "../testing/harness.ts";
import { namesFor } from "./names.ts";
import { positionOf } from "./position.ts";

const words = async (...typed: string[]) => (await positionOf(typed)).words.map(({ word }) => word);

describe("what fits at the end of a line", () => {
  test("is every command that people see, and what each group has", async () => {
    const shown = Object.entries(groups).filter(([, { hidden }]) => hidden !== true);
    expect(await words("")).toEqual([...shown.map(([name]) => name), ...Object.keys(topLevel), "help"]);
    for (const [name, { commands }] of shown) expect(await words(name, "")).toEqual(Object.keys(commands));
    expect(await words("help", "vm", "")).toEqual(Object.keys(groups.vm?.commands ?? {}));
  });

  test("of every command is each of its flags, and what its arguments are said to be", async () => {
    for (const [name, group] of Object.entries(groups)) {
      for (const [word, load] of Object.entries(group.commands)) {
        const { command } = await load();
        const offered = await words(name, word, "--");
        expect(offered).toEqual(expect.arrayContaining(flagsOf(command).map(({ long }) => long)));
        expect(offered).toContain("--help");
        const first = positionalsOf(command)[0];
        const option = first === undefined ? undefined : command.args[first.key];
        expect((await positionOf([name, word, ""])).names).toBe(option?.completes);
      }
    }
  });

  test("does not have a flag that is given already, nor anything that is the guest's", async () => {
    expect(await words("vm", "list", "--json", "-")).toEqual(["--quiet", "--watch", "--verbose", "--help"]);
    expect(await positionOf(["vm", "run", "--", "ls", ""])).toMatchObject({ words: [], names: undefined });
  });

  test("is a flag's value where one waits for it, by all ways to write it", async () => {
    expect(await words("vm", "kill", "--signal", "")).toContain("TERM");
    expect(await words("vm", "kill", "-s", "")).toContain("TERM");
    expect(await words("vm", "kill", "--signal=")).toContain("--signal=TERM");
    expect((await positionOf(["-q", "vm", "run", "--image", ""])).names).toBe("image");
    expect((await positionOf(["vm", "run", "--name", ""])).names).toBeUndefined();
  });

  test("is nothing behind words that are no command, nor behind inherited ones", async () => {
    for (const typed of [
      ["nonsense", ""],
      ["vm", "nonsense", ""],
      ["constructor", ""],
      ["vm", "toString", ""],
    ])
      expect(await positionOf(typed)).toMatchObject({ words: [], names: undefined });
  });

  test("after an alias is what its command takes", async () => {
    expect((await positionOf(["vm", "rm", ""])).names).toBe("vm");
  });
});

describe("names", () => {
  const vms = new FakeDaemon({ "vm.list": () => [fakeVm("calm-otter"), fakeVm("plain-kestrel")] });

  test("are asked for by every command that takes them", async () => {
    const { out } = await banger(["internal", "complete", "--", "vm", "stop", "calm-otter", ""], {
      daemon: vms,
    });
    expect(out).toBe("nothing\nplain-kestrel\trunning, debian-bookworm\n");
  });

  test("of VMs are offered with their colon beside files, and none behind it", async () => {
    const complete = (...typed: string[]) =>
      banger(["internal", "complete", "--", "vm", "cp", ...typed], { daemon: vms }).then(({ out }) => out);
    const both = "calm-otter:\ta path in it; running\nplain-kestrel:\ta path in it; running\n";
    expect(await complete("")).toBe(`files\n${both}`);
    expect(await complete("a", "")).toBe(`files\n${both}`);
    expect(await complete("calm-otter:/e")).toBe("nothing\n");
    expect(await complete("./calm-otter:")).toStartWith("files\n");
  });

  test("of whom a terminal would obey are left out, and what is said beside is escaped and short", async () => {
    const image = { name: "tools", description: `\x1b[2J${"x".repeat(100)}`, sizeBytes: null };
    const daemon = new FakeDaemon({
      "image.list": () => [image, { ...image, name: "a\nb" }, { ...image, name: "c\td" }] as never,
    });
    const { out } = await banger(["internal", "complete", "--", "image", "show", ""], { daemon });
    expect(out).toBe(`nothing\ntools\t\\x1b[2J${"x".repeat(50)}...\n`);
  });

  test("are none when the daemon fails, has none to give or does not end", async () => {
    const failing = new FakeDaemon({});
    expect(await banger(["internal", "complete", "--", "vm", "show", ""], { daemon: failing })).toEqual({
      ...{ status: 0, out: "nothing\n", err: "" },
    });
    const { ctx } = session();
    const hanging = { ...ctx, runningClient: () => new Promise<never>(() => {}) };
    expect(await namesFor({ names: "vm", given: [] }, hanging)).toEqual([]);
  });
});

test.each(["bash", "zsh", "fish", "powershell"])(
  "the script for %s asks banger itself, and is all that is printed",
  async (shell) => {
    const { status, out, err } = await banger(["completion", shell]);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toContain("internal complete");
  },
);
