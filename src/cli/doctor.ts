/** banger doctor */
import { commit, version } from "../base/version.ts";
import { defineCommand, Quiet } from "./command.ts";
import { json, toggle } from "./flags.ts";
import { renderReport } from "./output/report.ts";
import { styleFor } from "./output/style.ts";
import { printJson } from "./output/table.ts";

export const command = defineCommand({
  summary: "check this machine: what works, what is missing, what to do",
  details:
    "Changes nothing, starts no daemon, and needs no root. The exit status is 1 when a check says FAIL. What each check means: docs/troubleshooting.md.",
  examples: [
    { command: "doctor", note: "do VMs work here, and how fast" },
    { command: "doctor --verbose", note: "with all that was looked at" },
    { command: "doctor --json", note: "the same for programs" },
  ],
  args: {},
  flags: { verbose: toggle("show what each check has looked at and found", "v"), json: json() },
  run: async (input, ctx) => {
    const report = await ctx.examine();
    if (input.json) printJson(ctx, { version, commit, ...report });
    else {
      const { stdout, size } = ctx.tty;
      ctx.out(
        renderReport(report, {
          verbose: input.verbose,
          style: styleFor(stdout, ctx.env),
          // What goes into a pipe has a line for each check.
          columns: stdout ? size().columns : undefined,
        }),
      );
    }
    if (report.results.some(({ state }) => state === "fail")) throw new Quiet(1);
    return undefined;
  },
});
