import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseBangerToml } from "../../project/banger-toml.ts";
import { loginShell } from "../guest/login-shell.ts";
import { fakeDefaults } from "../testing/fake-daemon.ts";
import { daemonThat, source, vm, workspace } from "../testing/fake-run.ts";
import { banger } from "../testing/harness.ts";
import { toolingLog } from "./prepare.ts";
import { projectNotices, withProject } from "./project-spec.ts";

const project = (text: string) => parseBangerToml(text, "banger.toml");
const MiB = 1024 * 1024;

/** vm run with a repository that asks for this; what was called, and what was said. */
async function run(words: string[], asks: { text?: string; toolFiles?: string[] }, daemon = daemonThat()) {
  const { text, toolFiles = [] } = asks;
  const made = source({ project: text === undefined ? undefined : project(text), toolFiles });
  const result = await banger(["vm", "run", ...words], { daemon, workspace: made });
  const paramsOf = (method: string) =>
    daemon.calls.filter((call) => call.method === method).map(({ params }) => params);
  return {
    ...result,
    create: paramsOf("vm.create")[0],
    execs: paramsOf("guest.exec"),
    methods: daemon.methods,
  };
}

describe("what a repository asks for", () => {
  test("is what its VM is made of, where no flag says otherwise", async () => {
    const text = 'image = "trixie"\nvcpu = 1\nmemory = "512M"\ndisk = "2G"';
    const asked = await run([".", "--", "x"], { text });
    expect(asked.create).toMatchObject({ image: "trixie", vcpu: 1, memoryMiB: 512, diskBytes: 2048 * MiB });
    expect(asked.err).toStartWith("spec: 1 vcpu | 512 MiB | 2G disk\n");
    const flags = ["--image", "mine", "--vcpu", "3", "--memory", "1G", "--disk-size", "4G"];
    const overruled = await run([".", ...flags, "--", "x"], { text });
    expect(overruled.create).toMatchObject({
      image: "mine",
      vcpu: 3,
      memoryMiB: 1024,
      diskBytes: 4096 * MiB,
    });
    const half = await run([".", "--vcpu", "2", "--", "x"], { text });
    expect(half.create).toMatchObject({ image: "trixie", vcpu: 2, memoryMiB: 512 });
  });

  test("is bounded by this host, but for what the user gives", () => {
    const limits = { vcpu: 2, memoryBytes: 1024 * MiB, diskBytes: 1024 * MiB };
    const spec = {
      name: undefined,
      image: undefined,
      vcpu: undefined,
      memory: undefined,
      diskSize: undefined,
    };
    const plain = { ...spec, nat: false, cold: false };
    expect(() => withProject(plain, project("vcpu = 3"), limits)).toThrow(
      "banger.toml:1: vcpu: 3 is more than",
    );
    expect(withProject({ ...plain, vcpu: 8 }, project("vcpu = 3"), limits).vcpu).toBe(8);
  });

  test("does not open the way out by itself: that is the user's", async () => {
    const text = "nat = true";
    const asked = await run([".", "--", "x"], { text });
    expect(asked.create).toMatchObject({ nat: false });
    expect(asked.err).toContain(
      "banger.toml asks for the network, which is yours to give: --nat, or project_nat = true in",
    );
    const granted = await run([".", "--nat", "--", "x"], { text });
    expect([granted.create, granted.err]).toMatchObject([
      { nat: true },
      expect.not.stringContaining("asks for"),
    ]);
    const allowing = () => daemonThat({ "config.defaults": () => ({ ...fakeDefaults, projectNat: true }) });
    expect((await run([".", "--", "x"], { text }, allowing())).create).toMatchObject({ nat: true });
    expect((await run([".", "--", "x"], { text: "" }, allowing())).create).toMatchObject({ nat: false });
  });

  test("is shown by --dry-run, with what overrules it, harmless for a terminal, and without a daemon", async () => {
    const text =
      'vcpu = 1\nnat = true\npost_create = ["echo \\u001b[2J"]\nports = [3000, "8080:80"]\n[env]\nA = "1"';
    const { status, out, methods } = await run([".", "--dry-run", "--vcpu", "2"], { text });
    expect([status, methods]).toEqual([0, []]);
    expect(out).toBe(`banger.toml: vcpu 1 (--vcpu is given)
banger.toml: nat asked for (not given without --nat, or project_nat in config.toml)
banger.toml: ports 3000:3000
banger.toml: ports 8080:80
banger.toml: post_create echo \\x1b[2J
banger.toml: env A=1
100644 README.md
`);
  });

  test("is marked by --dry-run where it is not here", async () => {
    const asks = project('include = ["node_modules", ".env"]');
    const made = source({ project: asks, missing: [".env"] });
    const { out } = await banger(["vm", "run", ".", "--dry-run"], { workspace: made });
    expect(out).toStartWith(
      "banger.toml: include node_modules\nbanger.toml: include .env (not here, so not copied)\n",
    );
  });

  test("that is too much ends --dry-run as it ends a run, and leaves nothing open", async () => {
    let closed = 0;
    const made = source({ project: project('memory = "1048576G"'), close: () => void closed++ });
    const { status, err } = await banger(["vm", "run", ".", "--dry-run"], { workspace: made });
    expect([status, closed]).toEqual([1, 1]);
    expect(err).toContain("hint: give it yourself: --memory 1048576G");
  });

  test("is told in a line", () => {
    const asks = project('image = "x"\nports = [3000, 3001]\npost_create = ["a"]\n[env]\nA = "1"');
    expect(projectNotices(asks)).toEqual(["banger.toml: image x, ports (2), post_create (1), env (1)"]);
    expect(projectNotices(project(""))).toEqual([]);
    const others = { ...project(""), file: ".devcontainer.json", ignored: ["features", "x\u001b[2J"] };
    expect(projectNotices(others)).toEqual([".devcontainer.json: ignored features, x\\x1b[2J"]);
  });
});

describe("post_create", () => {
  const text = 'post_create = ["make deps", "make db"]';

  test("runs in the VM before the command, and only the command writes to stdout", async () => {
    const { status, out, err, execs } = await run([".", "--", "make", "test"], { text });
    expect([status, out]).toEqual([0, "ran make test\n"]);
    expect(execs).toEqual([
      { ref: vm.id, argv: ["/bin/sh", "-c", "make deps"] },
      { ref: vm.id, argv: ["/bin/sh", "-c", "make db"] },
      { ref: vm.id, argv: ["make", "test"] },
    ]);
    expect(err).toContain("post_create: make deps\nran /bin/sh -c make deps\npost_create: make db\n");
  });

  test.each([
    ["stays, and how to look at it is said", [], []],
    ["goes with --rm", ["--rm"], ["vm.delete"]],
  ])("that fails is the run's end; the VM %s", async (_what, flags, more) => {
    const made = { ...vm, ephemeral: more.length > 0 };
    const create = (
      _params: unknown,
      { emit }: { emit(event: { kind: "reserved"; vm: typeof vm }): void },
    ) => {
      emit({ kind: "reserved", vm: made });
      return made;
    };
    const daemon = daemonThat({ "vm.create": create }, 7);
    const { status, out, err, methods } = await run([".", ...flags, "--", "x"], { text }, daemon);
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain(
      "banger: command 1 of 2 in post_create of banger.toml ended with status 7: make deps\n",
    );
    expect(err.includes("banger vm ssh calm-otter")).toBe(more.length === 0);
    expect(methods.slice(3)).toEqual(["guest.exec", ...more]);
  });
});

describe("the tools of a repository", () => {
  const toolFiles = ["mise.toml"];
  const howOf = (exec: unknown) => (exec as { argv: string[] }).argv.at(-1);

  test("are installed in the background of a shell, and the log is told", async () => {
    const { err, execs } = await run(["."], { toolFiles });
    expect(execs).toHaveLength(2);
    expect(execs[0]).toMatchObject({ ref: vm.id, tools: false });
    expect(howOf(execs[0])).toBe("background");
    expect(execs[1]).toMatchObject({ argv: loginShell, tools: false });
    expect(err).toContain(
      "tools of mise.toml: mise installs them in the background; without --nat nothing can be fetched; log in the VM: /root/.cache/banger/vm-run-tooling-repo.log\n",
    );
  });

  test("are left alone for a command, unless the repository says bootstrap = true", async () => {
    expect((await run([".", "--", "x"], { toolFiles })).execs).toEqual([{ ref: vm.id, argv: ["x"] }]);
    const { execs } = await run([".", "--", "x"], { toolFiles, text: "bootstrap = true" });
    expect(execs.map(howOf)).toEqual(["quiet", "x"]);
  });

  test("say what they say where they can be fetched, else only to the log", async () => {
    for (const nat of [true, false]) {
      const daemon = daemonThat({ "vm.create": () => ({ ...vm, spec: { ...vm.spec, nat } }) });
      const { execs } = await run(["-d", "."], { toolFiles }, daemon);
      expect(howOf(execs[0])).toBe(nat ? "foreground" : "quiet");
    }
  });

  test("come before the repository's own commands, which may need them", async () => {
    const { execs } = await run(["."], { toolFiles, text: 'post_create = ["npm ci"]' });
    expect(execs.map(howOf)).toEqual(["quiet", "npm ci", loginShell[2]]);
  });

  test("that cannot be installed are no failure", async () => {
    const daemon = daemonThat({}, 1);
    const { status, err } = await run(["-d", "."], { toolFiles }, daemon);
    expect(status).toBe(0);
    expect(err).toContain("mise ended with status 1: the run goes on without what is missing\n");
  });

  test("have a log that is called like the repository, whatever that is called", () => {
    expect(toolingLog("/work/my repo; rm -rf \u001b")).toBe(
      "/root/.cache/banger/vm-run-tooling-my_repo__rm_-rf__.log",
    );
    expect(toolingLog("/")).toBe("/root/.cache/banger/vm-run-tooling-repo.log");
    expect(toolingLog(`/${"x".repeat(300)}`)).toHaveLength(139);
  });
});

describe("versions that a repository pins without mise", () => {
  const pinned = [
    { tool: "go", version: "1.22.3", file: "go.mod" },
    { tool: "node", version: "20", file: ".nvmrc" },
  ] as const;
  const detached = (nat: boolean, tools: boolean) => {
    const made = { ...vm, spec: { ...vm.spec, nat } };
    const daemon = daemonThat({ "vm.create": () => made });
    const workspaceOf = { ...workspace, ...(tools ? { tools: true as const } : {}) };
    const repo = source({ pinned: [...pinned], workspace: workspaceOf });
    return banger(["vm", "run", "-d", "."], { daemon, workspace: repo }).then(({ err }) => ({ err, daemon }));
  };

  test("are installed by mise where there is a network, and named", async () => {
    const { err, daemon } = await detached(true, true);
    expect(err).toContain("go 1.22.3 (go.mod), node 20 (.nvmrc): mise installs them; log in the VM: ");
    const exec = daemon.calls.find(({ method }) => method === "guest.exec")?.params as { argv: string[] };
    expect(exec.argv.slice(-3)).toEqual(["foreground", "go@1.22.3", "node@20"]);
  });

  test("are only told of where there is none", async () => {
    const { err, daemon } = await detached(false, false);
    expect(err).toContain(
      "go 1.22.3 (go.mod), node 20 (.nvmrc) are asked for: with --nat mise installs them in the VM\n",
    );
    expect(daemon.methods).not.toContain("guest.exec");
  });

  test("are handed to mise one by one, and one that cannot be had leaves the others", () => {
    const dir = mkdtempSync(join(tmpdir(), "banger-tooling-"));
    try {
      const mise = '#!/bin/sh\necho "mise $*"\ncase $* in *go@*) exit 3 ;; esac\n';
      writeFileSync(join(dir, "mise"), mise, { mode: 0o755 });
      const path = new URL("tooling.sh", import.meta.url).pathname;
      const run = (...tools: string[]) =>
        Bun.spawnSync(["sh", path, dir, join(dir, "log"), "foreground", ...tools], {
          env: { PATH: `${dir}:${process.env.PATH}` },
        });
      const pins = run("go@1.22.3", "node@20");
      expect([pins.exitCode, `${pins.stdout}`]).toEqual([
        3,
        "mise use --global go@1.22.3\nmise use --global node@20\n",
      ]);
      expect([run().exitCode, readFileSync(join(dir, "log"), "utf8")]).toEqual([
        0,
        "mise trust --all\nmise install\n",
      ]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe("vm run --detach", () => {
  test("makes the VM ready and prints its name, with neither a command nor a shell", async () => {
    const { status, out, err, execs } = await run(["-d", "."], {
      text: 'post_create = ["a"]',
      toolFiles: ["mise.toml"],
    });
    expect([status, out]).toEqual([0, "calm-otter\n"]);
    expect(execs).toHaveLength(2);
    expect(err).toContain("VM calm-otter is running");
    expect(err).toEndWith("stop with: banger vm stop calm-otter\n");
  });

  test("does not go with --rm, nor with a command or who it is to run as", async () => {
    const daemon = daemonThat();
    const both = await banger(["vm", "run", "-d", "--rm"], { daemon });
    expect([both.status, both.err]).toEqual([
      1,
      expect.stringContaining("--detach and --rm contradict each other"),
    ]);
    const command = await banger(["vm", "run", "-d", "--", "x"], { daemon });
    expect([command.status, command.err]).toEqual([1, expect.stringContaining("--detach runs no command")]);
    const user = await banger(["vm", "run", "-d", "--user", "app"], { daemon });
    expect([user.status, user.err]).toEqual([1, expect.stringContaining("--detach runs nothing")]);
    expect(daemon.methods).toEqual([]);
  });
});

test("a workspace's environment and tools are asked for with the workspace", async () => {
  const daemon = daemonThat();
  const wanted = { ...workspace, env: { A: "1" }, tools: true as const };
  await banger(["vm", "run", ".", "--", "x"], { daemon, workspace: source({ workspace: wanted }) });
  expect(daemon.calls.find(({ method }) => method === "workspace.import")?.params).toMatchObject({
    workspace: wanted,
  });
});
