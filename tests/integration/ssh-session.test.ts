/** The session over ssh with a real sshd: what the agent's own tests ask of the agent, where ssh can. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { GuestSession } from "../../src/guest/guest.ts";
import { bytesOf, runIn } from "./agent-fixture.ts";
import { SshdFixture, sshdMissing } from "./ssh-fixture.ts";

describe.skipIf(sshdMissing !== undefined)("a guest by ssh", () => {
  let sshd: SshdFixture;
  let session: GuestSession;
  let scratch: string;
  beforeAll(async () => {
    sshd = await SshdFixture.start();
    session = await sshd.session();
    scratch = mkdtempSync(join(tmpdir(), "banger-ssh-"));
  });
  afterAll(() => {
    session?.close();
    sshd.end();
    rmSync(scratch, { recursive: true, force: true });
  });

  test("says its kernel and boot, and that it goes by ssh", () => {
    expect(session.channel).toBe("ssh");
    expect(session.hello.kernelRelease).toBe(readFileSync("/proc/sys/kernel/osrelease", "utf8").trim());
    expect(session.hello.bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  });

  test("runs nothing as anybody but root, and says so", async () => {
    await expect(runIn(session, ["id"], { user: "app" })).rejects.toMatchObject({
      code: "unavailable",
      hint: expect.stringContaining("--user root"),
    });
  });

  test.each([
    [["true"], 0],
    [["sh", "-c", "exit 42"], 42],
    [["sh", "-c", "exit 255"], 255],
    [["sh", "-c", "kill -KILL $$"], 137],
    [["sh", "-c", "kill -TERM $$"], 143],
  ] as const)("%j ends with %d", async (argv, status) => {
    expect(await runIn(session, argv)).toEqual({ status, stdout: "", stderr: "" });
  });

  test.each([
    ["a command that does not exist", ["no-such-command"], {}, 127, "no-such-command"],
    ["a file that is not executable", ["/etc/passwd"], {}, 126, "/etc/passwd"],
    ["a missing working directory", ["true"], { cwd: "/nowhere/at all" }, 126, "/nowhere/at all"],
  ] as const)("%s ends with its status and names it", async (_what, argv, more, status, named) => {
    const outcome = await runIn(session, argv, more);
    expect(outcome).toMatchObject({ status, stdout: "" });
    expect(outcome.stderr).toContain(named);
  });

  test("arguments, directory and environment arrive byte for byte", async () => {
    const odd = "a b\n'\"$HOME`*\\ \\\\ !! ü \u{1f600}";
    expect((await runIn(session, ["printf", "%s", odd])).stdout).toBe(odd);
    const environment = (await runIn(session, ["env"], { env: { ODD: odd, LANG: "de_DE.UTF-8" } })).stdout;
    expect(environment).toContain(`ODD=${odd}\n`);
    expect(environment).toContain("LANG=de_DE.UTF-8\n");
    expect(environment).toContain("HOME=/root\n");
    expect(environment).not.toContain("SSH_");
    expect((await runIn(session, ["pwd"], { cwd: scratch })).stdout).toBe(`${scratch}\n`);
    writeFileSync(join(scratch, "a=b"), "#!/bin/sh\necho ran $1\n", { mode: 0o755 });
    expect((await runIn(session, ["./a=b", "x"], { cwd: scratch })).stdout).toBe("ran x\n");
  });

  test("what cannot be an argument is refused before it is sent", async () => {
    await expect(runIn(session, ["echo", "a\0b"])).rejects.toMatchObject({ code: "bad_request" });
    await expect(runIn(session, ["echo", "'".repeat(60_000)])).rejects.toMatchObject({ code: "bad_request" });
  });

  test("standard output and standard error stay apart, also when they are silent at first", async () => {
    const outcome = await runIn(session, ["sh", "-c", "sleep 0.1; echo out; echo err >&2"]);
    expect(outcome).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("a command has a session of its own, of which it is the first process", async () => {
    const outcome = await runIn(session, ["sh", "-c", "cut -d' ' -f6 /proc/$$/stat; echo $$"]);
    const [sessionId, pid] = outcome.stdout.trim().split("\n");
    expect(sessionId).toBe(pid ?? "");
  });

  test("100 MB go through cat unharmed, with a reader that stops and starts", async () => {
    const block = randomBytes(1 << 20);
    const blocks = 100;
    const child = await session.exec({ argv: ["cat"], cwd: "/" });
    const sent = createHash("sha256");
    const fed = pipeline(async function* () {
      for (let at = 0; at < blocks; at += 1) {
        sent.update(block);
        yield block;
      }
    }, child.stdin);
    const received = createHash("sha256");
    let size = 0;
    let chunks = 0;
    for await (const chunk of child.stdout) {
      received.update(chunk as Buffer);
      size += (chunk as Buffer).length;
      chunks += 1;
      if (chunks % 400 === 0) await Bun.sleep(2);
    }
    await fed;
    expect(await child.exit).toBe(0);
    expect(size).toBe(blocks * block.length);
    expect(received.digest("hex")).toBe(sent.digest("hex"));
  }, 120_000);

  test("a reader that does not read holds up its own command and nothing else", async () => {
    const flood = await session.exec({ argv: ["cat", "/dev/zero"], cwd: "/" });
    const errors = await session.exec({ argv: ["sh", "-c", "cat /dev/zero & cat /dev/zero >&2"], cwd: "/" });
    errors.stderr.resume();
    const silent = await session.exec({ argv: ["sleep", "1000"], cwd: "/" });
    silent.stdin.write(Buffer.alloc(20_000_000));
    for (let round = 0; round < 5; round += 1) {
      expect((await runIn(session, ["cat"], { input: Buffer.alloc(100_000, "x") })).stdout).toHaveLength(
        100_000,
      );
    }
    await session.ping();
    expect(flood.stdout.readableLength).toBeLessThanOrEqual(1 << 20);
    expect(errors.stdout.readableLength).toBeLessThanOrEqual(1 << 20);
    for (const child of [flood, errors, silent]) {
      child.signal(9);
      child.stdout.resume();
      expect(await child.exit).toBe(137);
    }
  }, 60_000);

  test("forty commands at a time do not mix up their streams", async () => {
    const count = 40;
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        runIn(session, ["sh", "-c", `cat; echo err${index} >&2; exit ${index}`], { input: `in${index}` }),
      ),
    );
    expect(outcomes).toEqual(
      Array.from({ length: count }, (_, index) => ({
        status: index,
        stdout: `in${index}`,
        stderr: `err${index}\n`,
      })),
    );
  }, 60_000);

  test("standard input can end while output goes on, and output can end while the command goes on", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "cat >/dev/null; echo after; exec >&- 2>&-; sleep 0.2; exit 3"],
      cwd: "/",
    });
    child.stdin.end("input");
    expect((await bytesOf(child.stdout)).toString()).toBe("after\n");
    expect(await child.exit).toBe(3);
  });

  test("a command that does not read its input ends all the same", async () => {
    expect((await runIn(session, ["true"], { input: Buffer.alloc(10_000_000) })).status).toBe(0);
  });

  test("signals reach the command's whole group, though sshd takes none for root", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "trap 'echo got; exit 7' USR1; echo up; sleep 1000 & wait"],
      cwd: "/",
    });
    let said = "";
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said === "up\n") child.signal(10);
    }
    expect(said).toBe("up\ngot\n");
    expect(await child.exit).toBe(7);
  });

  test("output written just before the end is complete though a background child keeps the pipe open", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "head -c 60000 /dev/zero; sleep 1000 & echo $!"],
      cwd: "/",
    });
    const output = await bytesOf(child.stdout);
    expect(await child.exit).toBe(0);
    expect(output.subarray(0, 60_000).equals(Buffer.alloc(60_000))).toBe(true);
    const pid = output.subarray(60_000).toString();
    expect(pid).toMatch(/^[1-9]\d*\n$/);
    process.kill(Number(pid), 9);
  });

  test("a background child that never stops writing does not keep the command from ending", async () => {
    const child = await session.exec({ argv: ["sh", "-c", "yes & exit 5"], cwd: "/" });
    child.stdout.resume();
    expect(await child.exit).toBe(5);
  }, 10_000);

  test("a terminal has the size it was given, takes a new one, and says it is one", async () => {
    const script =
      "trap 'stty size; exit 9' WINCH; test -t 0 && test -t 1 && test -t 2 && echo tty $TERM; stty size; while :; do sleep 0.05; done";
    const tty = { columns: 101, rows: 33, term: "vt220" };
    const child = await session.exec({ argv: ["bash", "-c", script], cwd: "/", tty });
    let said = "";
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said.includes("33 101")) child.resize(77, 22);
    }
    expect(said).toBe("tty vt220\r\n33 101\r\n22 77\r\n");
    expect(await child.exit).toBe(9);
  });

  test("control-C typed into a terminal interrupts, and the end of input ends a reader", async () => {
    const tty = { columns: 80, rows: 24, term: "xterm" };
    const interrupted = await session.exec({
      argv: ["sh", "-c", "echo up; exec sleep 1000"],
      cwd: "/",
      tty,
    });
    await new Promise((resolve) => interrupted.stdout.once("data", resolve));
    interrupted.stdin.write("\x03");
    interrupted.stdout.resume();
    expect(await interrupted.exit).toBe(130);
    const ended = await session.exec({ argv: ["cat"], cwd: "/", tty });
    ended.stdin.end("line\n");
    expect((await bytesOf(ended.stdout)).toString()).toBe("line\r\nline\r\n");
    expect(await ended.exit).toBe(0);
  });

  test("a signal on a terminal reaches the job in front, not only the shell", async () => {
    const script = "trap 'echo shell' TERM; sh -c 'echo up; exec sleep 1000'; echo ended $?; exit 4";
    const tty = { columns: 80, rows: 24, term: "dumb" };
    const child = await session.exec({ argv: ["bash", "-mc", script], cwd: "/", tty });
    let said = "";
    for await (const chunk of child.stdout) {
      said += String(chunk);
      if (said === "up\r\n") child.signal(15);
    }
    expect(said).toContain("ended 143");
    expect(await child.exit).toBe(4);
  });

  test("cancelling kills the command", async () => {
    const cancel = new AbortController();
    const child = await session.exec({ argv: ["sh", "-c", "echo $$; sleep 1000"], cwd: "/" }, cancel.signal);
    const pid = await new Promise<string>((resolve) =>
      child.stdout.once("data", (chunk) => resolve(String(chunk).trim())),
    );
    cancel.abort();
    await expect(child.exit).rejects.toMatchObject({ code: "cancelled" });
    for (let left = 200; existsSync(join("/proc", pid, "cwd")) && left > 0; left -= 1) await Bun.sleep(20);
    expect(existsSync(join("/proc", pid, "cwd"))).toBe(false);
  });

  test("trees go in and out", async () => {
    const from = join(scratch, "from");
    const to = join(scratch, "to/deep");
    await runIn(session, ["mkdir", "-p", `${from}/d`]);
    writeFileSync(join(from, "d/file"), "content", { mode: 0o640 });
    writeFileSync(join(from, "large"), randomBytes(5_000_000));
    symlinkSync("d/file", join(from, "link"));
    const unpacked = await session.unpack(to, await session.pack(from));
    expect(unpacked.files).toBe(5);
    expect(unpacked.bytes).toBeGreaterThan(5_000_000);
    expect(readFileSync(join(to, "from/link"), "utf8")).toBe("content");
    expect(statSync(join(to, "from/d/file")).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(to, "from/large")).equals(readFileSync(join(from, "large")))).toBe(true);
  });

  test("what goes wrong with a tree is told", async () => {
    await expect(bytesOf(await session.pack(join(scratch, "none")))).rejects.toMatchObject({
      code: "guest_failed",
      message: expect.stringContaining("No such file"),
    });
    await expect(session.unpack(scratch, Readable.from([Buffer.alloc(2000, "x")]))).rejects.toMatchObject({
      code: "guest_failed",
    });
    const source = new Readable({ read() {} });
    const unpacking = session.unpack(join(scratch, "broken"), source);
    setTimeout(() => source.destroy(new Error("the source broke")), 100);
    await expect(unpacking).rejects.toThrow("the source broke");
  });

  test("a service of the guest is reached, each direction ends by itself, and a port nobody listens on is refused", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const parts: Buffer[] = [];
      socket.on("data", (part: Buffer) => parts.push(part));
      socket.on("end", () => socket.end(Buffer.concat(parts).toString().toUpperCase()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const stream = await session.connect({ port });
    stream.end("half");
    expect((await bytesOf(stream)).toString()).toBe("HALF");
    expect((await session.ports()).some((one) => one.port === port && one.address === "127.0.0.1")).toBe(
      true,
    );
    await new Promise((resolve) => server.close(resolve));
    await expect(session.connect({ port })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("refused"),
    });
    const path = join(scratch, "s");
    const local = createServer((socket) => socket.end("by a path"));
    await new Promise<void>((resolve) => local.listen(path, resolve));
    expect((await bytesOf(await session.connect({ path }))).toString()).toBe("by a path");
    local.close();
  });

  test("it says how it is, and cannot be given another identity", async () => {
    const stats = await session.stats();
    expect(stats.memoryTotalBytes).toBeGreaterThan(stats.memoryAvailableBytes);
    for (const value of [stats.uptimeSeconds, stats.rootTotalBytes, stats.processes]) {
      expect(value).toBeGreaterThan(0);
    }
    const person = {
      hostname: "x",
      machineId: "",
      files: [],
      clock: "keep" as const,
      entropy: new Uint8Array(),
    };
    await expect(session.personalise(person)).rejects.toThrow("before its init");
  });

  test("another host key is refused, and nothing is said to its owner", async () => {
    const other = async () => readFileSync(join(sshd.dir, "other.pub"), "utf8");
    await expect(sshd.session({ hostKey: other })).rejects.toMatchObject({
      code: "denied",
      message: expect.stringContaining("host key"),
    });
    await expect(sshd.session({ hostKey: async () => "" })).rejects.toMatchObject({ code: "corrupt" });
  });

  test("a key that does not open the guest is refused", async () => {
    const privateKey = async () => readFileSync(join(sshd.dir, "other"), "utf8");
    await expect(sshd.session({ privateKey })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("authentication"),
    });
  });

  test("a session that nobody uses ends, one that is used does not", async () => {
    const brief = await sshd.session({}, { idleMs: 200 });
    let ended = false;
    void brief.closed.then(() => (ended = true));
    const child = await brief.exec({ argv: ["sleep", "1"], cwd: "/" });
    expect(await child.exit).toBe(0);
    expect(ended).toBe(false);
    await brief.closed;
  });
});
