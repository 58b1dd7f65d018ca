/** banger vm logs */
import { defineCommand } from "../command.ts";
import { oneVm, toggle, whole } from "../flags.ts";
import { oneOf, optional } from "../option.ts";
import { showLog } from "../output/log-stream.ts";

const silence = {
  console: "the console's log is empty: where all goes well, nothing is said",
  vmm: "the vmm's log is empty: where all goes well, nothing is said",
  daemon: "the daemon's log has nothing about this VM",
} as const;

/** After so long nothing has been written yet. In ms. */
const quietMs = 500;

export const command = defineCommand({
  summary: "show what a VM's console printed",
  details:
    "With --follow it goes on through restarts of the VM, and ends when the VM is deleted, or with Ctrl-C. On a terminal what a guest wrote is made harmless: colours stay, everything else that a terminal would obey is shown as an escape.",
  examples: [
    { command: "vm logs calm-otter", note: "all of it" },
    { command: "vm logs -f calm-otter", note: "and what comes, until Ctrl-C" },
    { command: "vm logs -f --tail 20 calm-otter", note: "the last twenty lines, and what comes" },
    { command: "vm logs --source vmm calm-otter", note: "what its machine complained about" },
    { command: "vm logs --source daemon calm-otter", note: "what bangerd has done with it" },
  ],
  args: { vm: oneVm() },
  flags: {
    follow: toggle("go on as it grows", "f"),
    source: optional(
      {
        value: "WHICH",
        description:
          "console (the guest's), vmm (the machine's) or daemon (bangerd's lines about it, JSON); default: console",
      },
      oneOf(["console", "vmm", "daemon"], "must be console, vmm or daemon"),
    ),
    tail: whole("COUNT", "only so many of the last lines", 0, 1_000_000),
  },
  run: async ({ vm, follow, source = "console", tail }, ctx) => {
    const client = await ctx.client();
    const wanted = { ref: vm, source, follow, ...(tail === undefined ? {} : { tail }) };
    const { ticket } = await client.call("vm.logs", wanted, { signal: ctx.signal });
    const stream = await client.stream(ticket);
    stream.end();
    let waited = false;
    const stopWaiting =
      follow && tail !== 0
        ? ctx.every(quietMs, () => {
            if (!waited) ctx.note(`${silence[source]}; waiting for more, until Ctrl-C`);
            waited = true;
          })
        : () => {};
    try {
      const any = await showLog(ctx, stream, stopWaiting);
      if (!any && tail !== 0 && !waited) ctx.note(silence[source]);
    } finally {
      stopWaiting();
    }
    return undefined;
  },
});
