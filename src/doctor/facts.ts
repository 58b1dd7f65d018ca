/** The snapshot of facts that checks judge: one probe for each, all at once, each with a limit. */
import { readFile } from "node:fs/promises";
import { toBangerError } from "../base/base.ts";
import type { HelperResult } from "../rpc/rpc.ts";
import type { DriverProbe } from "../vmm/vmm.ts";
import { type BuildFacts, lookAtBuilds } from "./facts/builds.ts";
import { askDaemon, type DaemonFacts } from "./facts/daemon.ts";
import { type FirecrackerFacts, lookForFirecracker } from "./facts/firecracker.ts";
import { type GuestPathFacts, tryGuestPath } from "./facts/guest-path.ts";
import { type ImageFacts, lookForImages } from "./facts/images.ts";
import { takeInventory } from "./facts/inventory.ts";
import { type JailFacts, lookAtJails } from "./facts/jails.ts";
import { type KernelPart, lookForKernelParts } from "./facts/kernel-parts.ts";
import { type KvmFacts, lookAtKvm } from "./facts/kvm.ts";
import { lookAtMachine, type MachineFacts } from "./facts/machine.ts";
import { askNameServer, type NameServerFacts } from "./facts/name-server.ts";
import { lookAtNetwork, type NetworkFacts } from "./facts/network.ts";
import { askQemu, lookForPrograms, type ProgramFacts } from "./facts/programs.ts";
import {
  lookAtSockets,
  lookAtTrusted,
  lookAtUnits,
  type SocketFacts,
  type TrustedFacts,
  type UnitFacts,
} from "./facts/services.ts";
import { readSettings, type SettingsFacts } from "./facts/settings.ts";
import { lookAtSshConfig, type SshConfigFacts } from "./facts/ssh-config.ts";
import { lookAtStorage, type StorageFacts } from "./facts/storage.ts";
import { lookAtUpdate, type UpdateFacts } from "./facts/update.ts";
import type { Place } from "./place.ts";

export interface Facts {
  machine: MachineFacts;
  kvm: KvmFacts;
  programs: ProgramFacts;
  qemu: DriverProbe;
  builds: BuildFacts;
  settings: SettingsFacts;
  storage: StorageFacts;
  images: ImageFacts;
  daemon: DaemonFacts;
  sshConfig: SshConfigFacts;
  update: UpdateFacts;
  units: UnitFacts[];
  sockets: SocketFacts[];
  trusted: TrustedFacts;
  firecracker: FirecrackerFacts;
  kernelParts: KernelPart[];
  jails: JailFacts;
  network: NetworkFacts;
  nameServer: NameServerFacts;
  guestPath: GuestPathFacts;
  inventory: HelperResult<"inventory">;
}
export type FactName = keyof Facts;

/** `late`: it was not there in time. `failed`: it could not be looked at. */
export type Known<T> = { known: true; value: T } | { known: false; kind: "late" | "failed"; why: string };
export type Snapshot = { [K in FactName]: Known<Facts[K]> };

type Probes = { [K in FactName]: (place: Place, signal: AbortSignal) => Promise<Facts[K]> };

const probes: Probes = {
  machine: lookAtMachine,
  kvm: lookAtKvm,
  programs: lookForPrograms,
  qemu: askQemu,
  builds: lookAtBuilds,
  settings: readSettings,
  storage: lookAtStorage,
  images: lookForImages,
  daemon: askDaemon,
  sshConfig: lookAtSshConfig,
  update: lookAtUpdate,
  units: lookAtUnits,
  sockets: (_place, signal) => lookAtSockets(signal),
  trusted: lookAtTrusted,
  firecracker: lookForFirecracker,
  kernelParts: lookForKernelParts,
  jails: lookAtJails,
  network: lookAtNetwork,
  nameServer: askNameServer,
  guestPath: tryGuestPath,
  inventory: (_place, signal) => takeInventory(signal),
};

/** Of a probe, in ms. Longer than QEMU's boot test where KVM hangs (3 s): that is an answer. */
export const probeLimitMs = 4500;

/** Those facts, whatever happens: nothing here rejects, or takes longer than the limit. */
export async function gather<K extends FactName>(
  place: Place,
  names: readonly K[],
  limits: Limits,
): Promise<Pick<Snapshot, K>> {
  const entries = await Promise.all(
    names.map(async (name) => [name, await within(limits, (signal) => probes[name](place, signal))] as const),
  );
  return Object.fromEntries(entries) as Pick<Snapshot, K>;
}

export interface Limits {
  /** In ms. */
  limitMs: number;
  /** Of whoever asks, and may lose patience before that. */
  signal: AbortSignal;
}

/** A probe that does not heed its signal is left behind; it ends with the process. */
export async function within<T>(
  { limitMs, signal }: Limits,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<Known<T>> {
  const over = new AbortController();
  const late = Promise.withResolvers<Known<T>>();
  const giveUp = (why: string) => {
    late.resolve({ known: false, kind: "late", why });
    over.abort();
  };
  const timer = setTimeout(() => giveUp(`there was no answer within ${limitMs / 1000} s`), limitMs);
  const onAbort = () => giveUp("it was interrupted");
  signal.addEventListener("abort", onAbort, { once: true });
  const answer = Promise.try(() => ask(over.signal)).then(
    (value): Known<T> => ({ known: true, value }),
    (error): Known<T> => ({ known: false, kind: "failed", why: toBangerError(error).message }),
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Undefined where the host has none. */
export async function readOsRelease(): Promise<string | undefined> {
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}
