/** banger vm prune */
import { BangerError } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { toggle } from "../flags.ts";
import { forEachVm } from "../refs.ts";
import { vmTable } from "./list.ts";

const prunable: readonly Vm["state"][] = ["created", "stopped", "error"];

export const command = defineCommand({
  summary: "delete every VM that does not run",
  details: "Shows what would go and asks first, unless --yes is given.",
  examples: [
    { command: "vm prune", note: "look, then decide" },
    { command: "vm prune --yes", note: "without a question" },
  ],
  args: {},
  flags: { yes: toggle("do not ask", "y") },
  run: async ({ yes }, ctx) => {
    const client = await ctx.client();
    const vms = await client.call("vm.list", {}, { signal: ctx.signal });
    const idle = vms.filter((vm) => prunable.includes(vm.state));
    if (idle.length === 0) {
      ctx.err("nothing to prune: no VM is stopped");
      return undefined;
    }
    if (!yes && !(await confirmed(ctx, idle))) {
      ctx.err("nothing deleted");
      return undefined;
    }
    await forEachVm(ctx, {
      refs: idle.map((vm) => vm.id),
      call: (daemon, vm, options) => daemon.call("vm.delete", { ref: vm.id, idle: true }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});

async function confirmed(ctx: Context, vms: readonly Vm[]): Promise<boolean> {
  ctx.err(vmTable(vms, ctx.today()));
  if (!ctx.tty.stdin) {
    throw new BangerError("bad_request", "cannot ask: stdin is not a terminal", {
      hint: "delete them without a question: banger vm prune --yes",
    });
  }
  const what = vms.length === 1 ? "this VM and its disks" : `these ${vms.length} VMs and their disks`;
  ctx.stderr.write(`delete ${what}? [y/N] `);
  return /^y(es)?$/i.test((await readLine(ctx)).trim());
}

/** One line of stdin; what ends it (end of file, an interrupt) is an empty answer or an error. */
function readLine(ctx: Context): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const detach = () => {
      ctx.stdin.off("data", onData);
      ctx.stdin.off("end", finish);
      ctx.signal.removeEventListener("abort", onAbort);
      ctx.stdin.pause();
    };
    const finish = () => {
      detach();
      resolve(text);
    };
    const onData = (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n") || text.length > 1024) finish();
    };
    const onAbort = () => {
      detach();
      ctx.err("");
      reject(new BangerError("cancelled", "cancelled"));
    };
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    ctx.stdin.on("data", onData);
    ctx.stdin.on("end", finish);
    ctx.stdin.resume();
  });
}
