/** Checks of the machine itself. */
import { formatBytes } from "../../base/base.ts";
import { specDefaults } from "../../config/config.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import { fail, pass, warn } from "../verdict.ts";
import { kvm } from "./kvm.ts";

const MiB = 1024 * 1024;
/** What a VM's machine takes beside its guest's memory. */
const machineBytes = 256 * MiB;

const architecture = defineCheck({
  id: "architecture",
  group: "machine",
  modes: anywhere,
  symptoms: ["images or kernels cannot be found for this machine"],
  meaning: "banger's kernels and images are for x86_64, and so are its own parts inside of guests.",
  cure: "Use a machine with an x86_64 processor.",
  dependsOn: [],
  needs: ["machine"],
  judge: ({ facts: { machine } }) => {
    const evidence = {
      looked: "the processor",
      found: `${machine.arch}, ${machine.cpus} CPUs, Linux ${machine.kernel}`,
    };
    if (machine.arch === "x64") return pass("x86_64", evidence);
    const remedy = ["use a machine with an x86_64 processor: there are no images and kernels for others"];
    return fail(`${machine.arch}: banger runs on x86_64 only`, remedy, evidence);
  },
});

const memory = defineCheck({
  id: "memory",
  group: "machine",
  modes: anywhere,
  symptoms: [
    "a VM ends by itself, and `vm show` says that it was killed",
    "the host gets slow when a VM starts",
  ],
  meaning:
    "A VM takes its memory from what the host has to spare. The size of a new VM follows from the host's, and from `[vm_defaults]` in config.toml.",
  cure: "End other programs or VMs (`banger vm list`), or make smaller VMs: `banger vm run --memory 512M`, or `memory_mib` in config.toml.",
  dependsOn: [],
  needs: ["machine", "settings"],
  judge: ({ facts: { machine, settings } }) => {
    const { totalBytes, availableBytes } = machine.memory;
    const { memoryMiB } = specDefaults(settings.config, { cpus: machine.cpus, memoryBytes: totalBytes });
    const wanted = memoryMiB.value * MiB + machineBytes;
    const evidence = [
      {
        looked: "/proc/meminfo",
        found: `${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} available`,
      },
      {
        looked: "a new VM",
        found: `${memoryMiB.value} MiB (${memoryMiB.from}), and ${formatBytes(machineBytes)} around it`,
      },
    ];
    const said = `${formatBytes(availableBytes)} available, a new VM takes ${memoryMiB.value} MiB`;
    if (availableBytes >= wanted) return pass(said, ...evidence);
    const remedy = [
      "banger vm list",
      "stop what is not needed, or make a smaller VM: banger vm run --memory 512M",
    ];
    return warn(said, remedy, ...evidence);
  },
});

export const machineChecks: readonly Check[] = [architecture, kvm, memory];
