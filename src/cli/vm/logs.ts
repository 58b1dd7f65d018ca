/** banger vm logs */
import { defineCommand } from "../command.ts";
import { oneVm, toggle } from "../flags.ts";
import { oneOf, optional } from "../option.ts";
import { showLog } from "../output/log-stream.ts";

export const command = defineCommand({
  summary: "show what a VM's console printed",
  examples: [
    { command: "vm logs calm-otter", note: "all of it" },
    { command: "vm logs -f calm-otter", note: "and what comes, until Ctrl-C" },
    { command: "vm logs --source vmm calm-otter", note: "what its machine complained about" },
  ],
  args: { vm: oneVm() },
  flags: {
    follow: toggle("go on as it grows", "f"),
    source: optional(
      {
        value: "WHICH",
        description: "console (the guest's) or vmm (the machine's); default: console",
      },
      oneOf(["console", "vmm"], "must be console or vmm"),
    ),
  },
  run: async ({ vm, follow, source = "console" }, ctx) => {
    const client = await ctx.client();
    const { ticket } = await client.call("vm.logs", { ref: vm, source, follow }, { signal: ctx.signal });
    const stream = await client.stream(ticket);
    stream.end();
    if (!(await showLog(ctx, stream)))
      ctx.note(`the ${source}'s log is empty: where all goes well, nothing is said`);
    return undefined;
  },
});
