/** banger vm fork */
import { defineCommand } from "../command.ts";
import { forkName, json, oneVm, whole } from "../flags.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "copy a running VM, processes and all",
  details:
    "Each fork runs on from where the VM is, with its processes, its files and its size, but as another machine: name, machine id, host key and random numbers are its own, and connections to the outside end. What commands of vm exec run in the VM ends in the forks; what runs in the background goes on. Memory is shared until somebody writes to it, and so are disks in user mode; in system mode they are copied. The VM itself stands still for a moment, and in system mode loses what is open to it: commands of vm exec, shells and vm ssh end there, too.",
  examples: [
    { command: "vm fork calm-otter", note: "one more of it, with a made-up name" },
    { command: "vm fork calm-otter --name agent -n 10", note: "agent-1 to agent-10" },
  ],
  args: { vm: oneVm() },
  flags: {
    name: forkName(),
    count: whole("COUNT", "how many forks, 1 to 64 (default: 1)", 1, 64, "n"),
    json: json(),
  },
  interrupted: "forks that were made are removed; the VM itself runs on",
  run: async ({ vm, name, count = 1, json: asJson }, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const { vms, haltedMs } = await client.call(
        "vm.fork",
        { ref: vm, count, ...(name === undefined ? {} : { name }) },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end("ready");
      // A paused one did so already.
      if (haltedMs > 0) ctx.note(`${vm} stood still for ${(haltedMs / 1000).toFixed(2)} s`);
      printResult(ctx, asJson, { vms, haltedMs }, ...vms.map((fork) => fork.name));
    } finally {
      progress.end();
    }
    return undefined;
  },
});
