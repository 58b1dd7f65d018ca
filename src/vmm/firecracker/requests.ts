/**
 * What banger says to Firecracker's API and hears from it: the parts of its swagger file
 * (src/firecracker/swagger/firecracker.yaml) that are used here, and that 1.5 to 1.14 have in common, but for
 * `network_overrides`, which 1.12 brought.
 */
import { z } from "zod";

/** MAX_SUPPORTED_VCPUS of Firecracker. */
export const maxVcpus = 32;

/** Ids that are part of an API path. */
const Id = z.string().regex(/^[A-Za-z0-9_]{1,64}$/);

const MachineConfig = z.strictObject({
  vcpu_count: z.int().min(1).max(maxVcpus),
  mem_size_mib: z.int().positive(),
});

const BootSource = z.strictObject({
  kernel_image_path: z.string().min(1),
  initrd_path: z.string().min(1),
  boot_args: z.string(),
});

const Drive = z.strictObject({
  drive_id: Id,
  path_on_host: z.string().min(1),
  is_root_device: z.boolean(),
  is_read_only: z.boolean(),
  cache_type: z.enum(["Unsafe", "Writeback"]),
});

const NetworkInterface = z.strictObject({
  iface_id: Id,
  host_dev_name: z.string().min(1),
  guest_mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
});

const Vsock = z.strictObject({ guest_cid: z.int().min(3), uds_path: z.string().min(1) });
const Entropy = z.strictObject({});
const Logger = z.strictObject({
  log_path: z.string().min(1),
  level: z.enum(["Error", "Warning", "Info", "Debug", "Trace", "Off"]),
  show_level: z.boolean(),
});
const Metrics = z.strictObject({ metrics_path: z.string().min(1) });
const Action = z.strictObject({ action_type: z.enum(["InstanceStart", "SendCtrlAltDel", "FlushMetrics"]) });
const VmState = z.strictObject({ state: z.enum(["Paused", "Resumed"]) });
const SnapshotCreate = z.strictObject({
  snapshot_type: z.literal("Full"),
  snapshot_path: z.string().min(1),
  mem_file_path: z.string().min(1),
});
const SnapshotLoad = z.strictObject({
  snapshot_path: z.string().min(1),
  mem_backend: z.strictObject({ backend_type: z.literal("File"), backend_path: z.string().min(1) }),
  resume_vm: z.boolean(),
  network_overrides: z.array(z.strictObject({ iface_id: Id, host_dev_name: z.string().min(1) })).optional(),
});

export interface ApiRequest {
  method: "PUT" | "PATCH";
  path: string;
  body: object;
}

function put<T extends object>(schema: z.ZodType<T>, path: string | ((body: T) => string)) {
  return (body: T): ApiRequest => {
    const checked = schema.parse(body);
    return { method: "PUT", path: typeof path === "string" ? path : path(checked), body: checked };
  };
}

function patch<T extends object>(schema: z.ZodType<T>, path: string) {
  return (body: T): ApiRequest => ({ method: "PATCH", path, body: schema.parse(body) });
}

/** One function per request; what it is given is checked before anything is sent. */
export const request = {
  machineConfig: put(MachineConfig, "/machine-config"),
  bootSource: put(BootSource, "/boot-source"),
  drive: put(Drive, ({ drive_id }) => `/drives/${drive_id}`),
  networkInterface: put(NetworkInterface, ({ iface_id }) => `/network-interfaces/${iface_id}`),
  vsock: put(Vsock, "/vsock"),
  entropy: put(Entropy, "/entropy"),
  logger: put(Logger, "/logger"),
  metrics: put(Metrics, "/metrics"),
  action: put(Action, "/actions"),
  vm: patch(VmState, "/vm"),
  createSnapshot: put(SnapshotCreate, "/snapshot/create"),
  loadSnapshot: put(SnapshotLoad, "/snapshot/load"),
} as const;

/** GET /. Newer versions may say more. */
export const InstanceInfo = z.looseObject({
  id: z.string(),
  state: z.enum(["Not started", "Running", "Paused"]),
  vmm_version: z.string(),
});
export type InstanceInfo = z.infer<typeof InstanceInfo>;

/** GET /version. */
export const VersionInfo = z.looseObject({ firecracker_version: z.string() });

/** What a refusal says. */
export const Fault = z.looseObject({ fault_message: z.string() });
