/** Real shells on a PTY, which are typed at: what is completed is seen by how the words arrive at the program. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const fake = join(import.meta.dir, "../fakes/cli-completing.ts");
const main = join(import.meta.dir, "../../src/main.ts");

export interface Bed {
  dir: string;
  /** Of the script that `banger completion SHELL` prints. */
  script(shell: string): string;
  env: Record<string, string>;
  remove(): void;
}

export function makeBed(): Bed {
  const dir = mkdtempSync(join(tmpdir(), "banger-completion-"));
  for (const name of ["bin", "work/Sub dir", "data/bash-completion/completions"])
    mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, "work/a file"), "");
  writeFileSync(join(dir, "bin/banger"), `#!/bin/sh\nexec '${process.execPath}' '${fake}' "$@"\n`, {
    mode: 0o755,
  });
  return {
    dir,
    script: (shell) => {
      const path = join(dir, `script.${shell}`);
      const { stdout } = Bun.spawnSync([process.execPath, main, "completion", shell]);
      writeFileSync(path, stdout);
      return path;
    },
    env: {
      PATH: `${join(dir, "bin")}:${process.env.PATH}`,
      HOME: dir,
      TERM: "xterm",
      LANG: "C.UTF-8",
      XDG_DATA_HOME: join(dir, "data"),
      XDG_CONFIG_HOME: join(dir, "config"),
      BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
    },
    remove: () => rmSync(dir, { recursive: true }),
  };
}

export interface Shell {
  /** Types, with a TAB for each `\t`, and Enter: the words with which banger was called. */
  words(line: string): Promise<string[]>;
  /** Types, and waits for that to be shown. */
  shows(line: string, text: string): Promise<void>;
  end(): Promise<void>;
}

/** An interactive shell that has read `first`. */
export async function openShell(bed: Bed, argv: string[], first: readonly string[]): Promise<Shell> {
  let screen = "";
  let wake = () => {};
  const child = Bun.spawn(argv, {
    cwd: join(bed.dir, "work"),
    env: bed.env,
    terminal: {
      ...{ cols: 200, rows: 50 },
      data: (_terminal: unknown, bytes: Uint8Array) => {
        screen += Buffer.from(bytes).toString();
        wake();
      },
    },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no PTY");
  const until = async (found: () => string | undefined): Promise<string> => {
    for (;;) {
      const text = found();
      if (text !== undefined) return text;
      if (child.exitCode !== null) throw new Error(`the shell has ended:\n${screen}`);
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), child.exited]);
    }
  };
  for (const [index, line] of first.entries()) {
    terminal.write(`${line}; echo re''ady-${index}\r`);
    await until(() => (screen.includes(`ready-${index}`) ? "" : undefined));
  }
  return {
    words: async (line) => {
      screen = "";
      // Keys wait in the terminal while a completion is made.
      terminal.write(`${line}\r`);
      return JSON.parse(await until(() => /<<(\[.*?\])>>/.exec(screen)?.[1])) as string[];
    },
    shows: async (line, text) => {
      screen = "";
      terminal.write(line);
      await until(() => (screen.includes(text) ? "" : undefined));
      terminal.write("\x03");
    },
    end: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
