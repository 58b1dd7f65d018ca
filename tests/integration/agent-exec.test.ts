import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { GuestSession } from "../../src/guest/guest.ts";
import { AgentFixture, agentMissing, bytesOf, runIn } from "./agent-fixture.ts";

describe.skipIf(agentMissing !== undefined)("the agent runs commands", () => {
  let agent: AgentFixture;
  let session: GuestSession;
  beforeAll(async () => {
    agent = new AgentFixture();
    session = await agent.session();
  });
  afterAll(() => agent.end());

  test("the hello names the kernel it runs on", () => {
    expect(session.hello.kernelRelease).toBe(readFileSync("/proc/sys/kernel/osrelease", "utf8").trim());
    expect(session.hello.bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    expect(session.hello.personalised).toBe(false);
    expect(session.hello.basicReached).toBe(false);
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

  test("a command that does not exist ends with 127 and says so, as in a shell", async () => {
    const outcome = await runIn(session, ["no-such-command"]);
    expect(outcome).toEqual({
      status: 127,
      stdout: "",
      stderr: "banger: no-such-command: command not found\n",
    });
  });

  test("a file that is not executable ends with 126", async () => {
    const outcome = await runIn(session, ["/etc/passwd"]);
    expect(outcome.status).toBe(126);
    expect(outcome.stderr).toBe("banger: /etc/passwd: Permission denied\n");
  });

  test("a missing working directory ends with 126 and names it", async () => {
    const outcome = await runIn(session, ["true"], { cwd: "/nowhere/at all" });
    expect(outcome.status).toBe(126);
    expect(outcome.stderr).toContain("/nowhere/at all");
  });

  test("arguments and environment arrive byte for byte, with no shell between", async () => {
    const odd = "a b\n'\"$HOME`*\\ ü \u{1f600}";
    const outcome = await runIn(session, ["printf", "%s", odd], {});
    expect(outcome.stdout).toBe(odd);
    const inherited = await runIn(session, ["env"], { env: { ODD: odd, LANG: "de_DE.UTF-8" } });
    expect(inherited.stdout).toContain(`ODD=${odd}\n`);
    expect(inherited.stdout).toContain("LANG=de_DE.UTF-8\n");
    expect(inherited.stdout).toContain("HOME=/root\n");
    expect(inherited.stdout).not.toContain("LANG=C.UTF-8");
  });

  test("a request that does not fit into a frame is refused before it is sent", async () => {
    await expect(runIn(session, ["echo", "x".repeat(70_000)])).rejects.toMatchObject({ code: "bad_request" });
    await expect(runIn(session, ["echo", "a\0b"])).rejects.toMatchObject({ code: "bad_request" });
  });

  test("standard output and standard error stay apart", async () => {
    const outcome = await runIn(session, ["sh", "-c", "echo out; echo err >&2"]);
    expect(outcome).toEqual({ status: 0, stdout: "out\n", stderr: "err\n" });
  });

  test("a command has default signals, three descriptors and a session of its own", async () => {
    const script =
      "ls /proc/self/fd | wc -l; cut -d' ' -f6 /proc/self/stat; echo $$; grep -E 'Sig(Blk|Ign)' /proc/self/status";
    const outcome = await runIn(session, ["sh", "-c", script]);
    const [descriptors, sessionId, pid, blocked, ignored] = outcome.stdout.trim().split("\n");
    expect(descriptors).toBe("4"); // ls itself opens the directory
    expect(sessionId).toBe(pid ?? "");
    expect(blocked).toMatch(/0{16}$/);
    expect(ignored).toMatch(/0{16}$/);
  });

  test("100 MB go through cat unharmed, with a reader that stops and starts", async () => {
    const block = randomBytes(1 << 20);
    const blocks = 100;
    const child = await session.exec({ argv: ["cat"], cwd: "/", after: "agent" });
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
  }, 60_000);

  test("a reader that does not read holds up its own command and nothing else", async () => {
    const flood = await session.exec({ argv: ["cat", "/dev/zero"], cwd: "/", after: "agent" });
    const silent = await session.exec({ argv: ["sleep", "1000"], cwd: "/", after: "agent" });
    silent.stdin.write(Buffer.alloc(2_000_000));
    for (let round = 0; round < 20; round += 1) {
      expect((await runIn(session, ["cat"], { input: Buffer.alloc(100_000, "x") })).stdout).toHaveLength(
        100_000,
      );
    }
    await session.ping();
    // Nothing reads, so no more than a window and the stream's own buffer has come.
    expect(flood.stdout.readableLength).toBeLessThanOrEqual(393_216);
    flood.signal(9);
    silent.signal(9);
    flood.stdout.resume();
    expect(await flood.exit).toBe(137);
    expect(await silent.exit).toBe(137);
  });

  test("two hundred commands at a time do not mix up their streams", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        runIn(session, ["sh", "-c", `cat; echo err${index} >&2; exit ${index}`], { input: `in${index}` }),
      ),
    );
    expect(outcomes).toEqual(
      Array.from({ length: 200 }, (_, index) => ({
        status: index,
        stdout: `in${index}`,
        stderr: `err${index}\n`,
      })),
    );
  }, 60_000);

  test("standard input can end while output goes on, and output can end while the command goes on", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "cat >/dev/null; echo after; exec >&-; sleep 0.2; exit 3"],
      cwd: "/",
      after: "agent",
    });
    child.stdin.end("input");
    expect((await bytesOf(child.stdout)).toString()).toBe("after\n");
    expect(await child.exit).toBe(3);
  });

  test("a command that does not read its input ends all the same", async () => {
    const outcome = await runIn(session, ["true"], { input: Buffer.alloc(3_000_000) });
    expect(outcome.status).toBe(0);
  });

  test("signals reach the command's whole group", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "trap 'echo got; exit 7' USR1; echo up; sleep 1000 & wait"],
      cwd: "/",
      after: "agent",
    });
    for await (const chunk of child.stdout) {
      if (String(chunk).includes("up")) child.signal(10);
      if (String(chunk).includes("got")) break;
    }
    expect(await child.exit).toBe(7);
  });

  test("output written just before the end is complete though a background child keeps the pipe open", async () => {
    const started = performance.now();
    const child = await session.exec({
      argv: ["sh", "-c", "head -c 60000 /dev/zero; sleep 1000 & echo $!"],
      cwd: "/",
      after: "agent",
    });
    const output = await bytesOf(child.stdout);
    expect(await child.exit).toBe(0);
    expect(output.subarray(0, 60_000).equals(Buffer.alloc(60_000))).toBe(true);
    expect(performance.now() - started).toBeLessThan(5000);
    const pid = output.subarray(60_000).toString();
    expect(pid).toMatch(/^[1-9]\d*\n$/);
    process.kill(Number(pid), 9);
  });

  test("a background child that never stops writing does not keep the command from ending", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "yes & exit 5"],
      cwd: "/",
      after: "agent",
    });
    child.stdout.resume();
    expect(await child.exit).toBe(5);
  }, 10_000);

  test("a terminal has the size it was given, takes a new one, and says it is one", async () => {
    const script =
      "trap 'stty size; exit 9' WINCH; test -t 0 && test -t 1 && test -t 2 && echo tty $TERM; stty size; while :; do sleep 0.05; done";
    const child = await session.exec({
      argv: ["bash", "-c", script],
      cwd: "/",
      after: "agent",
      tty: { columns: 101, rows: 33, term: "vt220" },
    });
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
      after: "agent",
      tty,
    });
    await new Promise((resolve) => interrupted.stdout.once("data", resolve));
    interrupted.stdin.write("\x03");
    interrupted.stdout.resume();
    expect(await interrupted.exit).toBe(130);
    const ended = await session.exec({ argv: ["cat"], cwd: "/", after: "agent", tty });
    ended.stdin.end("line\n");
    expect((await bytesOf(ended.stdout)).toString()).toBe("line\r\nline\r\n");
    expect(await ended.exit).toBe(0);
  });

  test("a signal on a terminal reaches the job in front, not only the shell", async () => {
    // With job control (-m) the shell gives the job a group of its own, and waits for it to end.
    const script = "trap 'echo shell' TERM; sh -c 'echo up; exec sleep 1000'; echo ended $?; exit 4";
    const child = await session.exec({
      argv: ["bash", "-mc", script],
      cwd: "/",
      after: "agent",
      tty: { columns: 80, rows: 24, term: "dumb" },
    });
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
    const child = await session.exec(
      { argv: ["sh", "-c", "echo $$; sleep 1000"], cwd: "/", after: "agent" },
      cancel.signal,
    );
    const pid = await new Promise<string>((resolve) =>
      child.stdout.once("data", (chunk) => resolve(String(chunk).trim())),
    );
    cancel.abort();
    await expect(child.exit).rejects.toMatchObject({ code: "cancelled" });
    for (let left = 100; existsSync(join("/proc", pid, "cwd")) && left > 0; left -= 1) await Bun.sleep(20);
    expect(existsSync(join("/proc", pid, "cwd"))).toBe(false);
  });

  test("no process and no descriptor is left behind", async () => {
    await session.ping();
    const children = readFileSync(`/proc/${agent.pid}/task/${agent.pid}/children`, "utf8").trim();
    expect(children).toBe("");
    const open = await runIn(session, ["sh", "-c", `ls /proc/${agent.pid}/fd | wc -l`]);
    // stdio, signals, inotify, listener, connection, and the three pipes of this very command
    expect(Number(open.stdout)).toBeLessThanOrEqual(3 + 4 + 3);
  });
});
