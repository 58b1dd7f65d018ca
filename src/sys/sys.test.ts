import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cut } from "./bounded-log.ts";
import {
  atomicWrite,
  cleanStaging,
  findProcesses,
  identify,
  isAlive,
  removeTree,
  run,
  runChecked,
  signalProcess,
} from "./sys.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-sys-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("an atomic write", () => {
  test("removes what a writer of the same file left that was killed, and nobody else's", async () => {
    const gone = Bun.spawn(["true"]);
    await gone.exited;
    const [dead, alive, other] = [
      `.file.${gone.pid}-0123456789ab.new`,
      `.file.${process.ppid}-0123456789ab.new`,
      `.files.${gone.pid}-0123456789ab.new`,
    ];
    for (const name of [dead, alive, other]) writeFileSync(join(dir, name), "");
    await atomicWrite(join(dir, "file"), "new", { mode: 0o600 });
    expect(readdirSync(dir).sort()).toEqual(["file", alive, other].sort());
  });

  test("replaces the content, sets the mode and leaves nothing beside it", async () => {
    const path = join(dir, "file");
    await atomicWrite(path, "old", { mode: 0o644 });
    await atomicWrite(path, "new", { mode: 0o600 });
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(["file"]);
  });

  test("by several writers at once leaves one of their contents whole", async () => {
    const path = join(dir, "file");
    const contents = ["a", "b", "c", "d"].map((letter) => letter.repeat(100_000));
    await Promise.all(contents.map((content) => atomicWrite(path, content, { mode: 0o600 })));
    expect(contents).toContain(readFileSync(path, "utf8"));
    expect(readdirSync(dir)).toEqual(["file"]);
  });

  test("replaces a symlink instead of writing through it", async () => {
    writeFileSync(join(dir, "target"), "untouched");
    symlinkSync(join(dir, "target"), join(dir, "link"));
    await atomicWrite(join(dir, "link"), "new", { mode: 0o600 });
    expect(readFileSync(join(dir, "target"), "utf8")).toBe("untouched");
    expect(lstatSync(join(dir, "link")).isFile()).toBe(true);
  });

  test("that fails leaves nothing behind", async () => {
    mkdirSync(join(dir, "taken", "by-a-directory"), { recursive: true });
    await expect(atomicWrite(join(dir, "taken"), "x", { mode: 0o600 })).rejects.toThrow();
    expect(readdirSync(dir)).toEqual(["taken"]);
  });
});

test("a removed tree takes its symlinks with it, not what they point to", async () => {
  mkdirSync(join(dir, "tree", "sub"), { recursive: true });
  mkdirSync(join(dir, "outside"));
  writeFileSync(join(dir, "outside", "kept"), "");
  symlinkSync(join(dir, "outside"), join(dir, "tree", "sub", "link"));
  await removeTree(join(dir, "tree"));
  await removeTree(join(dir, "tree"));
  expect(readdirSync(dir)).toEqual(["outside"]);
  expect(readdirSync(join(dir, "outside"))).toEqual(["kept"]);
});

test("a tree goes with directories that its owner may not write in, and what their links lead to stays as it is", () => {
  for (const sub of ["tree/closed/in", "tree/read-only/in", "outside"])
    mkdirSync(join(dir, sub), { recursive: true });
  for (const sub of ["closed/in", "read-only", "read-only/in"])
    writeFileSync(join(dir, "tree", sub, "file"), "");
  symlinkSync(join(dir, "outside"), join(dir, "tree", "read-only", "link"));
  for (const [sub, mode] of [
    ["tree/read-only/in", 0o555],
    ["tree/read-only", 0o555],
    ["tree/closed", 0],
    ["outside", 0o555],
  ] as const)
    chmodSync(join(dir, sub), mode);
  // Modes bind root to nothing.
  const root = process.getuid?.() === 0;
  if (root) Bun.spawnSync(["chown", "-R", "-h", "65534:65534", dir]);
  const other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const program = `await (await import(process.argv[1])).removeTree(process.argv[2])`;
  const words = [process.execPath, "-e", program, join(import.meta.dir, "files.ts"), join(dir, "tree")];
  const ran = Bun.spawnSync([...(root ? other : []), ...words], {
    env: { PATH: process.env.PATH, HOME: dir },
  });
  expect(ran.stderr.toString()).toBe("");
  expect(readdirSync(dir).includes("tree")).toBe(false);
  expect(lstatSync(join(dir, "outside")).mode & 0o777).toBe(0o555);
});

test("what a killed builder left and cannot be removed is told, and keeps nothing else", async () => {
  const names = ["a", "b", "c"].map((name) => join(dir, `.staging-${name}`));
  for (const name of names) mkdirSync(name);
  // A mount point is nothing that can be removed; without the right to mount there is nothing to see.
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "banger-test", names[1] ?? ""]).exitCode === 0;
  const stayed: string[] = [];
  try {
    await cleanStaging(dir, (path) => stayed.push(path));
  } finally {
    if (mounted) Bun.spawnSync(["umount", names[1] ?? ""]);
  }
  expect(stayed).toEqual(mounted ? [names[1] ?? ""] : []);
  expect(readdirSync(dir)).toEqual(mounted ? [".staging-b"] : []);
});

describe("a process identity", () => {
  test("is the same at every look and that of nobody else", () => {
    const self = identify(process.pid);
    expect(self).toEqual(identify(process.pid));
    expect(self?.bootId).toMatch(/^[0-9a-f-]{36}$/);
    if (self === undefined) throw new Error("this process does not exist");
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, startTicks: self.startTicks - 1 })).toBe(false);
    expect(isAlive({ ...self, bootId: "another boot" })).toBe(false);
  });

  test("of a number that nobody has is none", () => {
    // Above the largest pid_max that Linux allows (2^22).
    expect(identify(2 ** 22 + 1)).toBeUndefined();
    expect(signalProcess({ pid: 2 ** 22 + 1, startTicks: 1, bootId: "x" }, 0)).toBe(false);
  });

  test("keeps signals from whoever has the number now", () => {
    const self = identify(process.pid);
    if (self === undefined) throw new Error("this process does not exist");
    // SIGKILL: if it were sent, this test would not end well.
    expect(signalProcess({ ...self, startTicks: self.startTicks - 1 }, 9)).toBe(false);
    expect(signalProcess(self, 0)).toBe(true);
  });
});

test("processes are found by their whole command line", () => {
  const own = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  const found = findProcesses((argv) => argv.join("\0") === own.join("\0"));
  expect(found.map((process) => process.identity.pid)).toContain(process.pid);
});

describe("a host program", () => {
  test("sees a clean environment and nothing of the caller's", async () => {
    process.env.BANGER_TEST_SECRET = "leaked";
    const { stdout } = await run("env", []);
    delete process.env.BANGER_TEST_SECRET;
    const names = stdout
      .toString("utf8")
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names).toContain("PATH");
    expect(names).not.toContain("BANGER_TEST_SECRET");
  });

  test("that is missing is a host_missing error with its name", async () => {
    await expect(run("banger-no-such-program", [])).rejects.toMatchObject({
      code: "host_missing",
      message: "the program banger-no-such-program was not found",
    });
  });

  test("that fails is an error with the end of what it said", async () => {
    await expect(runChecked("sh", ["-c", "echo reason >&2; exit 3"])).rejects.toThrow(
      "sh failed with status 3: reason",
    );
  });

  test("that is cancelled has ended, although a child of its holds its output open", async () => {
    const held = join(dir, "held");
    const controller = new AbortController();
    const ran = run("sh", ["-c", `sleep 300 & echo $! > ${held}; exit 0`], { signal: controller.signal });
    while (!existsSync(held) || readFileSync(held, "utf8") === "") await Bun.sleep(5);
    controller.abort();
    await expect(ran).rejects.toMatchObject({ code: "cancelled" });
    process.kill(Number(readFileSync(held, "utf8")), "SIGKILL");
  });

  test("that prints too much is ended", async () => {
    await expect(run("yes", [], { maxOutputBytes: 1000 })).rejects.toThrow("printed more than 1000 bytes");
  });
});

describe("a log that has grown too large", () => {
  const bound = { mostBytes: 1000, keepBytes: 100 };

  test("keeps its last whole lines, and its writer goes on behind them", () => {
    const path = join(dir, "log");
    const writer = openSync(path, "a");
    for (let line = 0; line < 200; line += 1) writeSync(writer, `line ${line}\n`);
    expect(cut(path, bound)).toBe(true);
    writeSync(writer, "and on\n");
    closeSync(writer);
    const left = readFileSync(path, "utf8");
    expect(left).toStartWith("line 1");
    expect(left).toEndWith("line 199\nand on\n");
    expect(left.length).toBeLessThan(120);
    expect(cut(path, bound)).toBe(false);
  });

  test("of a single endless line keeps the end of that", () => {
    writeFileSync(join(dir, "log"), "x".repeat(5000));
    expect(cut(join(dir, "log"), bound)).toBe(true);
    expect(readFileSync(join(dir, "log"), "utf8")).toBe("x".repeat(100));
  });

  test("is left alone when it is a link, or gone", () => {
    writeFileSync(join(dir, "other"), "x".repeat(5000));
    symlinkSync(join(dir, "other"), join(dir, "link"));
    expect(cut(join(dir, "link"), bound)).toBe(false);
    expect(cut(join(dir, "gone"), bound)).toBe(false);
    expect(lstatSync(join(dir, "other")).size).toBe(5000);
  });
});
