/** banger vm port-forward */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { oneVm } from "../flags.ts";
import { openForwards } from "../guest/forward.ts";
import { forwardExplained, readForward } from "../guest/forward-spec.ts";
import type { Words } from "../option.ts";

const manyForwards = {
  kind: "words",
  required: true,
  value: forwardExplained,
  description: "ports; one number stands for both, and HOST 0 for any that is free",
  read: readForward,
} as const satisfies Words<ReturnType<typeof readForward>>;

export const command = defineCommand({
  summary: "let ports of this host lead to ports of a running VM",
  details:
    "Goes on until Ctrl-C. Only programs on this host can come to it (127.0.0.1), unless another address is given. In the VM the connection comes from its own loopback, so what listens on localhost there is reached too.",
  examples: [
    { command: "vm port-forward calm-otter 8080", note: "localhost:8080 is the VM's 8080" },
    { command: "vm port-forward calm-otter 5433:5432 0:80", note: "two at once, one on any free port" },
    { command: "vm port-forward calm-otter 0.0.0.0:8080:80", note: "for others on the network, too" },
  ],
  args: { vm: oneVm(), ports: manyForwards },
  flags: {},
  run: async ({ vm: ref, ports }, ctx) => {
    const client = await ctx.client();
    const vm = await client.call("vm.show", { ref }, { signal: ctx.signal });
    if (vm.state !== "running" && !vm.asleep) {
      throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}, not running`, {
        hint:
          vm.state === "paused"
            ? `let it go on: banger vm resume ${vm.name}`
            : `start it first: banger vm start ${vm.name}`,
      });
    }
    const forwards = await openForwards(ctx, ports);
    try {
      forwards.leadTo({ client, ref: vm.id });
      for (const { at, guestPort } of forwards.open) ctx.out(`${at} -> ${vm.name}:${guestPort}`);
      if (ctx.tty.stderr) ctx.err("Ctrl-C ends it");
      await Promise.race([client.closed, interrupted(ctx.signal)]);
      throw new BangerError("unavailable", "bangerd has ended, and the ways into the VM with it");
    } finally {
      forwards.close();
    }
  },
});

function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () => reject(new BangerError("cancelled", "cancelled"));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
