/** What all commands have in common. */
import { describe, expect, test } from "bun:test";
import { groups, topLevel } from "./commands.ts";
import { runCli } from "./run-cli.ts";
import { FakeDaemon, fakeVm } from "./testing/fake-daemon.ts";
import { daemonThat } from "./testing/fake-run.ts";
import { banger, session } from "./testing/harness.ts";

const vm = fakeVm("calm-otter");
const stages = new FakeDaemon({
  "vm.resolve": ({ refs }) => refs.map((ref) => ({ ref, vm })),
  "vm.start": (_params, { emit }) => {
    emit({ kind: "stage", stage: "network", status: "begin" });
    emit({ kind: "stage", stage: "network", status: "done", ms: 5 });
    emit({ kind: "warning", message: "it is warm here" });
    return vm;
  },
});

describe("every command", () => {
  /** Their output is somebody else's, or nothing. */
  const without = [
    ...[
      "vm run",
      "vm diff",
      "vm pull",
      "vm workspace",
      "vm cp",
      "vm port-forward",
      "vm exec",
      "vm ssh",
      "vm logs",
      "daemon logs",
      "daemon stop",
      "system uninstall",
    ],
    ...["tui", "init", "ssh-config", "completion", "internal connect", "internal complete", "internal man"],
  ];

  test("that has a result can print it as a record", async () => {
    const all = [
      ...Object.entries(groups).flatMap(([name, { commands }]) =>
        Object.entries(commands).map(([word, load]) => [`${name} ${word}`, load] as const),
      ),
      ...Object.entries(topLevel),
    ];
    const lacking: string[] = [];
    for (const [path, load] of all) if (!("json" in (await load()).command.flags)) lacking.push(path);
    expect(lacking.sort()).toEqual(without.sort());
  });

  test("takes --quiet and --verbose before and behind its words, but not both", async () => {
    for (const words of [
      ["-q", "vm", "start", "x"],
      ["vm", "start", "x", "--quiet"],
    ])
      expect(await banger(words, { daemon: stages })).toMatchObject({ status: 0, out: "calm-otter\n" });
    expect((await banger(["vm", "start", "x", "-q", "-v"], { daemon: stages })).err).toBe(
      "banger: --quiet and --verbose contradict each other\n",
    );
  });
});

describe("--quiet", () => {
  test("leaves results and warnings", async () => {
    const { out, err } = await banger(["vm", "start", "x", "-q"], { daemon: stages });
    expect([out, err]).toEqual(["calm-otter\n", "warning: it is warm here\n"]);
  });

  test("leaves only the command's own output of a run", async () => {
    const run = await banger(["vm", "run", "--quiet", "--", "x"], {
      daemon: daemonThat({}, 3),
      tty: { stderr: true },
    });
    expect(run).toEqual({ status: 3, out: "ran x\n", err: "" });
  });

  test("leaves errors", async () => {
    const { status, err } = await banger(["vm", "show", "x", "-q"], { daemon: new FakeDaemon({}) });
    expect([status, err]).toEqual([1, expect.stringContaining("the test has no vm.show")]);
  });
});

test("--verbose tells each call with its op id, and each stage however brief", async () => {
  const { out, err } = await banger(["vm", "start", "x", "--verbose"], { daemon: stages });
  expect(out).toBe("calm-otter\n");
  expect(err.replace(/[0-9a-f]{8}/g, "OP").split("\n")).toEqual([
    ...["vm.resolve (OP)", "vm.resolve (OP): done after 0.00s", "vm.start (OP)", "the network device: 0.01s"],
    ...["warning: it is warm here", "vm.start (OP): done after 0.00s", ""],
  ]);
});

test("--json is one array for several VMs, of those that went well", async () => {
  const daemon = new FakeDaemon({
    "vm.resolve": () => [
      { ref: "a", vm },
      { ref: "b", error: { code: "not_found", message: "there is no VM b" } },
    ],
    "vm.delete": () => ({}),
  });
  const { status, out, err } = await banger(["vm", "delete", "a", "b", "--json"], { daemon });
  expect([status, JSON.parse(out)]).toEqual([1, [{ id: vm.id, name: "calm-otter" }]]);
  expect(err).toContain("there is no VM b");
});

test.each([
  ["image_layers", "what was fetched of the container image is kept: a new pull goes on from there"],
  ["image", ""],
])("an interrupted command says what is left, and how to go on (%s)", async (stage, kept) => {
  const under = Promise.withResolvers<void>();
  const daemon = new FakeDaemon({
    "image.pull": (_params, { emit }) => {
      emit({ kind: "stage", stage, status: "begin" });
      under.resolve();
      return new Promise(() => {});
    },
  });
  const run = session({ daemon });
  const status = runCli(["image", "pull", "alpine"], run.ctx);
  await under.promise;
  run.interrupt("SIGINT");
  expect(await status).toBe(130);
  expect(run.err()).toEndWith("interrupted: nothing half-made is left\n");
  expect(run.err()).toContain(kept);
  expect(run.err().includes("is kept")).toBe(kept !== "");
});

test("help fits a narrow terminal, but for what is to be pasted", async () => {
  for (const words of [[], ["vm"], ["vm", "run"]]) {
    const run = session({ tty: { stdout: true } });
    run.resize(40, 24);
    await runCli([...words, "--help"], run.ctx);
    const long = run
      .out()
      .split("\n")
      .filter((line) => line.length > 40 && !line.startsWith("  banger "));
    expect(long).toEqual([]);
  }
});
