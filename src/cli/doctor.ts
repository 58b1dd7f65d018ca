/** banger doctor */
import { BangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import type { Report } from "../doctor/doctor.ts";
import { defineCommand, Quiet } from "./command.ts";
import type { Context } from "./context.ts";
import { mend } from "./doctor/mend.ts";
import { json, toggle } from "./flags.ts";
import { renderReport } from "./output/report.ts";
import { styleFor } from "./output/style.ts";
import { printJson } from "./output/table.ts";

export const command = defineCommand({
  summary: "check this machine: what works, what is missing, what to do",
  details:
    "Starts no daemon and needs no root; without --fix it changes nothing; where the system services are, it sends packets through a TAP of its own, which is gone again when it answers. With it each remedy that loses nothing is named and run, after a question: services started and restarted, owners and modes of banger's own files and of /dev/kvm, kernel modules, Firecracker. What needs root is run as root only; otherwise it is the line to run with sudo. Programs are not installed, and nobody joins a group: that is said, as a line to paste. The exit status is 1 when a check says FAIL. What each check means: docs/troubleshooting.md.",
  examples: [
    { command: "doctor", note: "do VMs work here, and how fast" },
    { command: "doctor --verbose", note: "with all that was looked at" },
    { command: "doctor --fix", note: "mend what can be mended, one question for each" },
    { command: "doctor --json", note: "the same for programs" },
  ],
  args: {},
  flags: {
    verbose: toggle("show what each check has looked at and found", "v"),
    fix: toggle("mend what is safe to mend, after asking"),
    yes: toggle("with --fix: do not ask", "y"),
    json: json(),
  },
  interrupted: "what was mended stays so",
  run: async ({ verbose, fix, yes, json: asJson }, ctx) => {
    if (yes && !fix)
      throw new BangerError("bad_request", "--yes needs --fix", { hint: "see: banger doctor --help" });
    const first = await ctx.examine();
    if (!asJson) ctx.out(textOf(first, verbose, ctx));
    const mended = fix ? await mend(first, yes, ctx) : [];
    const changed = mended.some(({ outcome }) => outcome === "done" || outcome === "failed");
    const report = changed ? await ctx.examine() : first;
    if (asJson) printJson(ctx, { version, commit, ...report, ...(fix ? { mended } : {}) });
    else if (changed) ctx.out(`\n${textOf(report, verbose, ctx)}`);
    if (report.results.some(({ state }) => state === "fail")) throw new Quiet(1);
    return undefined;
  },
});

function textOf(report: Report, verbose: boolean, ctx: Context): string {
  const { stdout, size } = ctx.tty;
  // What goes into a pipe has a line for each check.
  const columns = stdout ? size().columns : undefined;
  return renderReport(report, { verbose, style: styleFor(stdout, ctx.env), columns });
}
