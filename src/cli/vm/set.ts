/** banger vm set */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json, manyVms, specFlags, toggle } from "../flags.ts";
import { forEachVm } from "../refs.ts";

const { vcpu, memory, diskSize } = specFlags;

export const command = defineCommand({
  summary: "change VMs' size, or their way out",
  details:
    "CPUs, memory and disk can change while a VM is stopped; a disk only grows. --nat and --no-nat take effect at the next start, and with the system services at once, for running VMs too.",
  examples: [
    { command: "vm set calm-otter --memory 8G --vcpu 4", note: "more of both, from the next start on" },
    { command: "vm set calm-otter --disk-size 64G", note: "a larger disk at /root" },
    { command: "vm set calm-otter --no-nat", note: "shut off from the network outside" },
  ],
  args: { vms: manyVms() },
  flags: {
    vcpu: { ...vcpu, description: "virtual CPUs" },
    memory: { ...memory, description: "memory" },
    diskSize: { ...diskSize, description: "size of the disk at /root; it can only grow" },
    nat: toggle("let the VMs reach the network outside"),
    noNat: toggle("let them reach it no longer"),
    json: json(),
  },
  interrupted: "see what is changed: banger vm show",
  run: async ({ vms, vcpu: cpus, memory: bytes, diskSize: diskBytes, nat, noNat, json: asJson }, ctx) => {
    if (nat && noNat) throw wrongUse("--nat and --no-nat contradict each other");
    const change = {
      ...(cpus === undefined ? {} : { vcpu: cpus }),
      ...(bytes === undefined ? {} : { memoryMiB: Math.ceil(bytes / (1024 * 1024)) }),
      ...(diskBytes === undefined ? {} : { diskBytes }),
      ...(nat || noNat ? { nat } : {}),
    };
    if (Object.keys(change).length === 0) throw wrongUse("nothing to change");
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.set", { ref: vm.id, ...change }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});

function wrongUse(message: string): BangerError {
  return new BangerError("bad_request", message, { hint: "see: banger vm set --help" });
}
