/** What Firecracker is told about one machine: a pure function, so that benchmarks can start the very same by hand. */
import { BangerError } from "../../base/base.ts";
import type { MachineSpec } from "../vmm.ts";
import { driverWords } from "./cmdline.ts";
import { type JailView, type MachineView, runFiles } from "./jailer.ts";
import { type ApiRequest, maxVcpus, request } from "./requests.ts";

/** COMMAND_LINE_SIZE of x86 Linux, less the NUL. */
const maxCmdline = 2047;

/** Throws bad_request for a machine that Firecracker cannot make. */
export function checkSpec(spec: MachineSpec): void {
  const problem =
    spec.vcpu > maxVcpus
      ? `Firecracker gives a VM at most ${maxVcpus} CPUs, not ${spec.vcpu}`
      : spec.disks.some(({ format }) => format !== "raw")
        ? "Firecracker knows raw disks only"
        : spec.egress === "nat" && spec.network === undefined
          ? "Firecracker has no network of its own: a VM with --nat needs a TAP device"
          : bootArgs(spec).length > maxCmdline
            ? "the kernel's command line is too long"
            : undefined;
  if (problem !== undefined) throw new BangerError("bad_request", problem);
}

/** One name in all machines: by it a restored one's is put on another TAP. */
const networkDevice = "eth0";

function bootArgs(spec: MachineSpec): string {
  return [...spec.cmdline, ...driverWords].join(" ");
}

/**
 * Batches of requests: those of one batch do not depend on each other. Drives are /dev/vda, /dev/vdb and so on in the
 * order in which they arrive.
 */
export function machineRequests(spec: MachineSpec, view: MachineView): ApiRequest[][] {
  const files = runFiles(view.run);
  const [root, ...others] = spec.disks.map(({ readOnly }, index) =>
    request.drive({
      drive_id: `disk${index}`,
      path_on_host: view.disks[index] ?? "",
      // Our own command line names the root disk.
      is_root_device: false,
      is_read_only: readOnly,
      // The guest's flushes reach the host's disk. The default is to lose them.
      cache_type: "Writeback",
    }),
  );
  return [
    [
      ...outputs(view),
      request.machineConfig({ vcpu_count: spec.vcpu, mem_size_mib: spec.memoryMiB }),
      request.bootSource({
        kernel_image_path: view.kernel,
        initrd_path: view.initramfs,
        boot_args: bootArgs(spec),
      }),
      // Each Firecracker has a vsock of its own: the same number for every guest is no conflict.
      request.vsock({ guest_cid: 3, uds_path: files.vsock }),
      request.entropy({}),
      ...(spec.network === undefined
        ? []
        : [
            request.networkInterface({
              iface_id: networkDevice,
              host_dev_name: spec.network.tap,
              guest_mac: spec.network.mac,
            }),
          ]),
      ...(root === undefined ? [] : [root]),
    ],
    ...others.map((drive) => [drive]),
    [request.action({ action_type: "InstanceStart" })],
  ];
}

/**
 * The same for a machine that goes on from what was saved of another: devices and processors are in the saved state, with
 * the names that its files had in the other one's jail. Nothing but log and metrics may be told before.
 */
export function restoreRequests({ network }: MachineSpec, { run, saved }: JailView): ApiRequest[][] {
  return [
    outputs({ run }),
    [
      request.loadSnapshot({
        snapshot_path: saved.state,
        // Mapped privately: what the guest does not write to, all who go on from the file share.
        mem_backend: { backend_type: "File", backend_path: saved.memory },
        resume_vm: true,
        ...(network === undefined
          ? {}
          : { network_overrides: [{ iface_id: networkDevice, host_dev_name: network.tap }] }),
      }),
    ],
  ];
}

function outputs({ run }: Pick<MachineView, "run">): ApiRequest[] {
  const { log, metrics } = runFiles(run);
  return [
    request.logger({ log_path: log, level: "Warning", show_level: true }),
    request.metrics({ metrics_path: metrics }),
  ];
}
