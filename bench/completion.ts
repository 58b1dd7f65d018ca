/**
 * `bun bench/completion.ts`: how long a TAB takes with dist/banger while no daemon runs, and in front of one that hangs. The goal
 * of the first is 100 ms. Beside it, for what this machine is worth just now, `--version`, which loads nothing.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./pairs.ts";

const program = join(import.meta.dir, "../dist/banger");
const rounds = 21;
const dir = mkdtempSync(join(tmpdir(), "banger-completion-"));
const env = { PATH: process.env.PATH ?? "", HOME: dir, XDG_RUNTIME_DIR: dir, XDG_STATE_HOME: dir };

async function time(words: readonly string[]): Promise<number> {
  const began = performance.now();
  const child = Bun.spawn([program, ...words], { env, stdout: "ignore", stderr: "ignore" });
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")} failed`);
  return performance.now() - began;
}

async function row(name: string, words: readonly string[]): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push(await time(words));
  const ms = (value: number) => value.toFixed(0);
  process.stdout.write(
    `| ${name} | ${ms(median(times))} | ${ms(Math.min(...times))} | ${ms(Math.max(...times))} |\n`,
  );
}

const complete = (...words: string[]) => ["internal", "complete", "--", ...words];
try {
  mkdirSync(join(dir, "banger"), { mode: 0o700 });
  process.stdout.write("| ms | median | least | most |\n|---|---|---|---|\n");
  await row("`--version`", ["--version"]);
  await row("names of VMs, no daemon", complete("vm", "show", ""));
  await row("commands of a group", complete("vm", ""));
  await row("flags", complete("vm", "run", "--"));
  const server = createServer(() => {}).listen(join(dir, "banger/bangerd.sock"));
  await row("names of VMs, a daemon that hangs", complete("vm", "show", ""));
  server.close();
} finally {
  rmSync(dir, { recursive: true });
}
