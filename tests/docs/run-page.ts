/** A page's blocks as tests: each is run where the one before it has left off. */
import { expect, test } from "bun:test";
import { type Block, consoleCommands, type Fate } from "./blocks.ts";
import { readPage } from "./pages.ts";

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Where a page's commands are run. */
export interface Shell {
  /** A script for bash, in the working directory where the last one has ended. */
  run(script: string, fate: Fate): Promise<Finished>;
  /** One command on a terminal, until it has said something; its status after Ctrl-C. */
  interrupt?(command: string, until: RegExp): Promise<Finished>;
}

/** Commands that a page shows were tried by somebody who sees the first that fails. */
const strict = "set -eo pipefail\ntrap 'echo \"line $LINENO: $BASH_COMMAND: ended with $?\" >&2' ERR\n";

/** Declares a test for each block of `page` that has one of the fates. */
export function testPage(page: string, kinds: readonly Fate["kind"][], shell: Shell): void {
  for (const block of readPage(page).blocks) {
    const { fate } = block;
    if (fate === undefined || !kinds.includes(fate.kind)) continue;
    test(`${page}:${block.line}`, () => runBlock(block, fate, shell));
  }
}

async function runBlock(block: Block, fate: Fate, shell: Shell): Promise<void> {
  const run = async (script: string) => {
    const finished = await shell.run(`${strict}${script}`, fate);
    expect(finished.status, `${finished.stderr.slice(-3000)}${finished.stdout.slice(-1000)}`).toBe(0);
    return finished.stdout;
  };
  if (fate.kind === "interrupt") {
    if (block.before !== "") await run(block.before);
    for (const line of block.text.split("\n")) {
      const { status, stdout } = (await shell.interrupt?.(line, fate.until)) ?? expect.unreachable();
      expect([0, 130], `${line}: ${stdout}`).toContain(status ?? -1);
    }
  } else if (block.language === "console") {
    if (block.before !== "") await run(block.before);
    for (const { command, output } of consoleCommands(block.text)) {
      const said = linesOf(await run(command));
      for (const line of linesOf(output)) expect(said).toContain(line);
    }
  } else await run(`${block.before}\n${block.text}`);
}

/** Columns are as wide as what is in them, here and there. */
function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim().replaceAll(/\s+/g, " "))
    .filter((line) => line !== "");
}
