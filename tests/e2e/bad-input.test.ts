/** Bad input: one clear line or two, the right status, and nothing left. Needs the image, but boots nothing. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Banger } from "./fixture.ts";

const banger = new Banger();
const at = (name: string) => join(banger.dir, name);
const git = (dir: string, ...args: string[]) =>
  execFileSync(
    "git",
    ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", ...args],
    { cwd: at(dir), stdio: "pipe" },
  );

beforeAll(async () => {
  for (const name of ["plain", "empty", "good", "withsub"]) mkdirSync(at(name));
  git(".", "init", "-q", "--bare", "bare.git");
  git("empty", "init", "-q");
  for (const name of ["good", "withsub"]) {
    git(name, "init", "-q", "-b", "main");
    writeFileSync(join(at(name), "f"), "x");
    git(name, "add", "-A");
    git(name, "commit", "-qm", "c");
  }
  git("withsub", "submodule", "-q", "add", at("good"), "sub");
  git("withsub", "commit", "-qm", "s");
  await banger.image();
});
afterAll(() => banger.close());

const table: [string, string[], number, RegExp][] = [
  ["a directory that is no repository", ["vm", "run", at("plain"), "--", "true"], 1, /not .*repository/i],
  ["a bare repository", ["vm", "run", at("bare.git"), "--", "true"], 1, /bare/],
  ["a repository without a commit", ["vm", "run", at("empty"), "--", "true"], 1, /commit/],
  ["a repository with submodules", ["vm", "run", at("withsub"), "--", "true"], 1, /submodule/],
  ["a path that is not there", ["vm", "run", at("nowhere"), "--", "true"], 1, /there is no/],
  ["a branch that exists", ["vm", "run", at("good"), "--branch", "main", "--", "true"], 1, /main/],
  [
    "an unknown --from",
    ["vm", "run", at("good"), "--branch", "x", "--from", "nope", "--", "true"],
    1,
    /nope/,
  ],
  ["--from without --branch", ["vm", "run", at("good"), "--from", "HEAD", "--", "true"], 1, /--branch/],
  ["--branch without a path", ["vm", "run", "--branch", "x", "--", "true"], 1, /path|repository/],
  ["a name that is too long", ["vm", "create", "--name", "a".repeat(64)], 1, /63/],
  ["a name that is no DNS label", ["vm", "create", "--name", "Not_ok"], 1, /"N"/],
  ["no CPUs", ["vm", "create", "--vcpu", "0"], 1, /vcpu/],
  ["a mebibyte of memory", ["vm", "create", "--memory", "1M"], 1, /memory/i],
  ["a kibibyte of disk", ["vm", "create", "--disk-size", "1K"], 1, /disk/],
  ["an unknown image", ["vm", "create", "--image", "debian-bokworm"], 1, /did you mean debian-bookworm/],
  ["an unknown command", ["vm", "rnu"], 2, /did you mean|run/],
  ["an unknown flag", ["vm", "run", "--memroy", "1G"], 2, /--memory/],
  ["an unknown VM", ["vm", "stop", "nobody"], 1, /nobody/],
];

for (const [what, args, status, said] of table) {
  test(`${what} is refused`, async () => {
    const result = await banger.run(args, { timeoutMs: 60_000 });
    expect(result.stderr).toMatch(said);
    expect(result.stderr.trim().split("\n").length).toBeLessThanOrEqual(5);
    expect(result.status).toBe(status);
    expect(await banger.vms()).toEqual([]);
  });
}

test("a disk larger than the host's is allowed, with a warning", async () => {
  const { status, stderr } = await banger.run([
    "vm",
    "create",
    "--no-start",
    "--name",
    "huge",
    "--disk-size",
    "900T",
  ]);
  const small = await banger.run(["vm", "create", "--no-start", "--name", "large", "--disk-size", "500G"]);
  expect(small.stderr).toContain("only");
  expect(small.status).toBe(0);
  // What ext4 cannot hold is an error of one line, and leaves nothing.
  if (status !== 0) expect(stderr).toContain("banger:");
  const names = (await banger.vms()).map((vm) => vm.name);
  await banger.ok(["vm", "delete", ...names]);
});

test("a taken name is refused, and the first VM stays", async () => {
  await banger.ok(["vm", "create", "--no-start", "--name", "taken"]);
  const { status, stderr } = await banger.run(["vm", "create", "--no-start", "--name", "taken"]);
  expect({ status, said: stderr.includes("exists already") }).toEqual({ status: 1, said: true });
  expect((await banger.vms()).length).toBe(1);
  await banger.ok(["vm", "delete", "taken"]);
});

test("garbage on the daemon's socket ends that connection, and nothing else", async () => {
  for (const garbage of [
    "GET / HTTP/1.1\r\n\r\n",
    "\0".repeat(100_000),
    "rpc\nContent-Length: 99999999\r\n\r\n",
    `ticket ${"0".repeat(32)}\n`,
  ]) {
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const socket = connect(join(banger.env.XDG_RUNTIME_DIR ?? "", "banger/bangerd.sock"), () =>
        socket.write(garbage),
      );
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(text));
    });
    expect(answer.length).toBeLessThan(200);
  }
  expect(await banger.vms()).toEqual([]);
});

test("a file in the way of the state directory is said to be one", async () => {
  writeFileSync(at("file"), "");
  const { status, stderr } = await banger.run(["vm", "list"], {
    env: { XDG_STATE_HOME: at("file"), XDG_RUNTIME_DIR: at("other") },
  });
  expect(status).toBe(1);
  expect(stderr).toContain("banger:");
});

test("a daemon of the same user, but with another home, is not asked for this home's VMs", async () => {
  await banger.ok(["vm", "list"]);
  const { status, stderr } = await banger.run(["vm", "list"], { env: { XDG_STATE_HOME: at("elsewhere") } });
  expect([status, stderr]).toEqual([1, expect.stringContaining("keeps its VMs in ")]);
  expect(stderr).toContain("XDG_RUNTIME_DIR");
  expect(await banger.vms()).toEqual([]);
});

test("a config that makes no sense names key and line", async () => {
  mkdirSync(at("cfg/banger"), { recursive: true });
  writeFileSync(at("cfg/banger/config.toml"), "\nvmn = 1\n");
  const { status, stderr } = await banger.run(["vm", "list"], {
    env: { XDG_STATE_HOME: at("state2"), XDG_RUNTIME_DIR: at("run2"), XDG_CONFIG_HOME: at("cfg") },
  });
  expect(status).toBe(1);
  expect(stderr).toContain("config.toml:2: unknown key vmn; did you mean vmm?");
});
