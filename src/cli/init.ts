/** banger init */
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BangerError } from "../base/base.ts";
import { defineCommand } from "./command.ts";
import { toggle } from "./flags.ts";
import { matching, optional } from "./option.ts";
import { escapeLine } from "./output/escape.ts";

export const command = defineCommand({
  summary: "write a banger.toml for a repository, after a look at it",
  details:
    "Nothing of the repository is run. All keys are comments, with what its files suggest (languages, tests, ports), but for what a devcontainer.json already says.",
  examples: [
    { command: "init", note: "in the repository of this directory" },
    { command: "init ./repo --stdout", note: "only show it" },
  ],
  args: {
    path: optional(
      { description: "a directory inside a git repository (default: .)", completes: "directory" },
      matching(/./s, "is empty"),
    ),
  },
  flags: {
    force: toggle("replace the banger.toml that is there", "f"),
    stdout: toggle("print it, and write nothing"),
    dryRun: toggle("the same as --stdout"),
  },
  run: async ({ path = ".", force, stdout, dryRun }, ctx) => {
    const [{ locateWorkTree }, { initialText, projectFile }] = await Promise.all([
      import("../repo/repo.ts"),
      import("../project/project.ts"),
    ]);
    const { root } = locateWorkTree(resolve(ctx.cwd, path));
    const text = await initialText(root);
    if (stdout || dryRun) {
      ctx.stdout.write(text);
      return undefined;
    }
    const file = join(root, projectFile);
    replace(file, text, force);
    ctx.out(escapeLine(file));
    return undefined;
  },
});

/** By a new file that takes the name: a link that has it leads nowhere, and nobody sees half a text. */
function replace(file: string, text: string, force: boolean): void {
  if (!force) {
    try {
      writeFileSync(file, text, { flag: "wx" });
      return;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") throw taken(file);
      // Of a full disk: half a text is none.
      rmSync(file, { force: true });
      throw error;
    }
  }
  const made = `${file}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(made, text, { flag: "wx" });
    renameSync(made, file);
  } catch (error) {
    rmSync(made, { force: true });
    throw error;
  }
}

function taken(file: string): BangerError {
  return new BangerError("already_exists", `there is ${escapeLine(file)} already`, {
    hint: "see what would be written: banger init --stdout; to replace it: --force",
  });
}
