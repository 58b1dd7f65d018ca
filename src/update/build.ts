/** What a program says that it is, asked of the program itself: only ever of one that was verified, or that was there before. */
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { run } from "../sys/sys.ts";

export interface Build {
  version: string;
  commit: string;
  builtAt: string;
}

/** An emulated processor takes ten times as long as another. In ms. */
export const programLimitMs = 120_000;

/** A directory is named by version and commit: neither may lead anywhere. */
const word = "[0-9A-Za-z][0-9A-Za-z.+-]{0,63}";
const grammar = new RegExp(`^banger v(${word}) \\(commit (${word}), built (\\S+)\\)$`);

/** Throws corrupt for a program that does not run, or says something else. */
export async function buildOf(program: string, signal: AbortSignal): Promise<Build> {
  const { status, stdout, stderr } = await run(program, ["--version"], {
    signal: AbortSignal.any([signal, AbortSignal.timeout(programLimitMs)]),
    maxOutputBytes: 4096,
  });
  const said = stdout.toString("utf8").trim();
  const [, version, commit, builtAt] = grammar.exec(said) ?? [];
  if (status === 0 && version !== undefined && commit !== undefined && builtAt !== undefined)
    return { version, commit, builtAt };
  const why = status === 0 ? `says ${JSON.stringify(said.slice(0, 100))}` : lastLine(stderr);
  throw new BangerError("corrupt", `${program} does not run here: ${why || `status ${status}`}`);
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
}

const Report = z.object({
  results: z.array(z.object({ id: z.string(), state: z.string(), summary: z.string() })),
});

/** What a program's own doctor finds wrong. Throws operation_failed when it cannot say. */
export async function failingChecks(
  program: string,
  signal: AbortSignal,
): Promise<{ id: string; summary: string }[]> {
  const { stdout, stderr } = await run(program, ["doctor", "--json"], {
    signal: AbortSignal.any([signal, AbortSignal.timeout(programLimitMs)]),
    env: ownEnvironment(),
    maxOutputBytes: 4 * 1024 ** 2,
  });
  let value: unknown;
  try {
    value = JSON.parse(stdout.toString("utf8"));
  } catch {
    throw new BangerError("operation_failed", `its doctor does not work: ${lastLine(stderr)}`);
  }
  const report = Report.safeParse(value);
  if (!report.success)
    throw new BangerError("operation_failed", "its doctor says nothing that is known here");
  return report.data.results.filter(({ state }) => state === "fail");
}

/** For a program that stands for this one: the same daemon is theirs. */
export function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
