/** banger's CLI as a real process on a real PTY and on real pipes; only its daemon and guest are made up. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = [process.execPath, join(import.meta.dir, "../fakes/cli-with-fake-guest.ts")];
const children: Bun.Subprocess[] = [];

afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
});

/** A shell on a PTY that runs banger and then says how the terminal is and what the status was. */
function onTerminal(words: string[], env: Record<string, string> = {}) {
  let screen = "";
  let wake = () => {};
  const command = [...program, ...words].map((word) => `'${word}'`).join(" ");
  const script = `stty -g; ${command}; echo "[status $?]"; stty -g`;
  const child = Bun.spawn(["bash", "-c", script], {
    env: { ...process.env, TERM: "xterm-256color", ...env },
    terminal: {
      cols: 90,
      rows: 30,
      data: (_terminal: unknown, bytes: Uint8Array) => {
        screen += Buffer.from(bytes).toString();
        wake();
      },
    },
  });
  children.push(child);
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no PTY");
  return {
    child,
    terminal,
    screen: () => screen,
    async until(text: string): Promise<void> {
      while (!screen.includes(text)) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ended without ${JSON.stringify(text)}:\n${screen}`);
        await Promise.race([new Promise<void>((resolve) => (wake = resolve)), child.exited]);
      }
    },
    /** The terminal's settings before and after, and the status in between. */
    async end(): Promise<{ before: string; after: string; status: string }> {
      await child.exited;
      const settings = screen.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? [];
      return {
        before: settings[0] ?? "none",
        after: settings.at(-1) ?? "none too",
        status: /\[status (\d+)\]/.exec(screen)?.[1] ?? "none",
      };
    },
  };
}

/** Process ids of banger itself under the shell. */
async function bangerPid(shell: number): Promise<number> {
  const children = await Bun.file(`/proc/${shell}/task/${shell}/children`).text();
  return Number(children.trim().split(" ").at(-1));
}

function piped(words: string[], options: { stdin?: "pipe" | "ignore"; env?: Record<string, string> } = {}) {
  const child = Bun.spawn([...program, ...words], {
    stdin: options.stdin ?? "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
  });
  children.push(child);
  return child;
}

describe("a command on a terminal", () => {
  test("gets keys as bytes, Ctrl-C among them, and hears of a new size; the terminal is given back", async () => {
    const run = onTerminal(["vm", "run", "--rm", "--", "shell"]);
    await run.until("ready\r\n");
    run.terminal.write("a");
    await run.until("<61>");
    run.terminal.write("\x03");
    await run.until("<03>");
    run.terminal.resize(120, 40);
    await run.until("[resized 120x40]");
    run.terminal.write("q");
    const { before, after, status } = await run.end();
    expect(status).toBe("7");
    expect(after).toBe(before);
    expect(run.screen()).toContain("[deleted]");
  });

  test.each([
    ["SIGTERM", "143"],
    ["SIGHUP", "129"],
  ] as const)("gives the terminal back on %s and removes the VM of --rm", async (signal, expected) => {
    const run = onTerminal(["vm", "run", "--rm", "--", "shell"]);
    await run.until("ready\r\n");
    process.kill(await bangerPid(run.child.pid), signal);
    const { before, after, status } = await run.end();
    expect([status, after]).toEqual([expected, before]);
    expect(run.screen()).toContain("[deleted]");
  });

  test("whose terminal is closed still has its VM of --rm removed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "banger-cli-"));
    try {
      const mark = join(directory, "mark");
      const run = onTerminal(["vm", "run", "--rm", "--", "shell"], { FAKE_MARK: mark });
      await run.until("ready\r\n");
      const banger = await bangerPid(run.child.pid);
      run.terminal.close();
      await run.child.exited;
      // The shell dies of the hang-up at once; banger, no child of ours, ends in its own time.
      while (existsSync(`/proc/${banger}`)) await Bun.sleep(10);
      expect(readFileSync(mark, "utf8")).toBe("deleted");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("that is interrupted while the VM is made removes it and exits 130", async () => {
    const run = onTerminal(["vm", "run", "--", "shell"], { FAKE_HANG: "1" });
    await run.until("booting the guest");
    run.terminal.write("\x03");
    const { before, after, status } = await run.end();
    expect([status, after]).toEqual(["130", before]);
    expect(run.screen()).toContain("[deleted]");
  });

  test("leaves a summary and no trace of the live progress", async () => {
    const run = onTerminal(["vm", "run", "--", "shell"]);
    await run.until("ready\r\n");
    run.terminal.write("q");
    await run.end();
    expect(run.screen()).toMatch(/\x1b\[1A\r\x1b\[0J[^\n]*calm-otter ready in [0-9.]+s/);
  });
});

describe("a command on pipes", () => {
  test("takes 20 MB through unchanged, ends its input, and keeps stderr apart", async () => {
    const input = Buffer.alloc(20 * 1024 * 1024);
    for (let index = 0; index < input.length; index += 4)
      input.writeUInt32LE((index * 2_654_435_761) >>> 0, index);
    const child = piped(["vm", "exec", "x", "--", "copy"], { stdin: "pipe" });
    const { stdin } = child;
    if (stdin === undefined) throw new Error("no stdin");
    const output = new Response(child.stdout).arrayBuffer();
    stdin.write(input);
    await stdin.end();
    expect(Buffer.from(await output).equals(input)).toBe(true);
    expect(await new Response(child.stderr).text()).toBe("copied\n");
    expect(await child.exited).toBe(0);
  }, 20_000);

  test("ends quietly when the reader of its output goes away", async () => {
    const script = `set -o pipefail; ${program.map((word) => `'${word}'`).join(" ")} vm exec x -- flood | head -c 100000 | wc -c`;
    const child = Bun.spawn(["bash", "-c", script], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    children.push(child);
    expect((await new Response(child.stdout).text()).trim()).toBe("100000");
    expect(await new Response(child.stderr).text()).toBe("");
    expect(await child.exited).toBe(141);
  }, 20_000);

  test("hears Ctrl-C first, and its status counts", async () => {
    const child = piped(["vm", "exec", "x", "--", "sleep"]);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
  });

  test("a listing whose reader goes away is no error", async () => {
    const script = `${program.map((word) => `'${word}'`).join(" ")} vm list | head -n 1`;
    const child = Bun.spawn(["bash", "-c", script], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    children.push(child);
    expect(await new Response(child.stdout).text()).toStartWith("ID ");
    expect(await new Response(child.stderr).text()).toBe("");
  });

  test("a listing that cannot be written is an error", async () => {
    const script = `${program.map((word) => `'${word}'`).join(" ")} vm list >/dev/full`;
    const child = Bun.spawn(["bash", "-c", script], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
    children.push(child);
    expect(await new Response(child.stderr).text()).toMatch(/^banger: output failed: ENOSPC.*\n$/);
    expect(await child.exited).toBe(1);
  });

  test("an argument that is not UTF-8 is refused, not changed; U+FFFD itself is text", async () => {
    const run = async (word: string) => {
      const script = `${program.map((part) => `'${part}'`).join(" ")} vm exec x -- copy ${word}`;
      const child = Bun.spawn(["bash", "-c", script], { stdout: "ignore", stderr: "pipe", stdin: "ignore" });
      children.push(child);
      return { said: await new Response(child.stderr).text(), status: await child.exited };
    };
    const refused = await run("$'caf\\xe9'");
    expect(refused.status).toBe(1);
    expect(refused.said).toContain('"caf\ufffd" is not UTF-8');
    expect(await run("$'\\xef\\xbf\\xbd'")).toEqual({ said: "copied\n", status: 0 });
  });

  test("a listing is written whole before the process ends", async () => {
    const child = piped(["vm", "list"]);
    await Bun.sleep(0);
    const text = await new Response(child.stdout).text();
    expect(text.trimEnd().split("\n").length).toBe(2001);
    expect(await child.exited).toBe(0);
  });
});

describe("the table of banger tui", () => {
  const entered = "\x1b[?1049h";
  const left = "\x1b[?7h\x1b[?25h\x1b[?1049l";

  test.each([
    ["q", "0"],
    ["\x03", "0"],
    ["SIGTERM", "143"],
    ["SIGHUP", "129"],
    ["SIGINT", "0"],
  ] as const)("gives the terminal back when it is left by %j", async (way, status) => {
    const run = onTerminal(["tui"]);
    await run.until("calm-otter");
    expect(run.screen()).toContain(entered);
    if (way.startsWith("SIG")) process.kill(await bangerPid(run.child.pid), way as NodeJS.Signals);
    else run.terminal.write(way);
    const end = await run.end();
    expect([end.after, end.status]).toEqual([end.before, status]);
    expect(run.screen().lastIndexOf(left)).toBeGreaterThan(run.screen().lastIndexOf("calm-otter"));
  });

  test("gives it back when banger itself fails", async () => {
    const run = onTerminal(["tui"], { FAKE_BUG: "1" });
    const end = await run.end();
    expect([end.after, end.status === "0"]).toEqual([end.before, false]);
    expect(run.screen().split(entered).length).toBe(run.screen().split(left).length);
  });

  test("lends it to a shell, whose keys are its own, and comes back", async () => {
    const run = onTerminal(["tui"]);
    await run.until("calm-otter");
    run.terminal.write("\r");
    await run.until("ready");
    run.terminal.write("xq");
    await run.until("<7871>");
    // The second time that it is entered.
    while (run.screen().split(entered).length < 3) await Bun.sleep(10);
    run.terminal.write("q");
    const end = await run.end();
    expect([end.after, end.status]).toEqual([end.before, "0"]);
  });
});
