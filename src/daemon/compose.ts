/** The one place where a daemon's parts are put together. */
import { mkdirSync, rmdirSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { BangerError, formatBytes, toBangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import {
  administratorKeys,
  type Config,
  configStamp,
  fileSyncEntries,
  inertKeys,
  loadConfig,
  specDefaults,
} from "../config/config.ts";
import { type Paths, systemConfigFile } from "../config/paths.ts";
import { type DiskReserve, diskReserve, freeSpace } from "../disk/disk.ts";
import { openAgentSession } from "../guest/guest.ts";
import type { DaemonStatus, Handlers, Method } from "../rpc/rpc.ts";
import { openState, type State } from "../state/state.ts";
import { Runtimes, reattach, reconcile, type VmDeps, type VmPaths, VmService, Workspaces } from "../vm/vm.ts";
import type { DriverProbe, VmmDriver } from "../vmm/vmm.ts";
import { openCheckpoints, openTemplates } from "../warm/warm.ts";
import { failpointFromEnvironment } from "./failpoint.ts";
import { sshTarget } from "./guest-ssh.ts";
import { daemonHandlers } from "./handlers/daemon.ts";
import { fileHandlers } from "./handlers/files.ts";
import { guestHandlers } from "./handlers/guest.ts";
import { imageHandlers } from "./handlers/images.ts";
import { liveHandlers } from "./handlers/live.ts";
import { templateHandlers } from "./handlers/templates.ts";
import { vmHandlers } from "./handlers/vm.ts";
import { watchHandlers } from "./handlers/watch.ts";
import type { ImageShelf } from "./image-shelf.ts";
import { Happenings } from "./lifecycle/happenings.ts";
import type { Logger } from "./lifecycle/log.ts";
import { Names } from "./names/names.ts";
import type { Parts } from "./parts.ts";
import type { DaemonPlace } from "./place.ts";
import type { Platform } from "./platform.ts";
import { observedState } from "./shelf/observed-rows.ts";
import { ownKey } from "./ssh-key.ts";

export interface DaemonEnvironment {
  place: DaemonPlace;
  log: Logger;
  /** Asked for by a client: end after the answer. */
  stop(): void;
}

/** What differs between the user's daemon, the system's, and the ones that benchmarks and crash tests run. */
export interface Substitutes {
  platform(config: Config, place: DaemonPlace, vms: VmPaths): Promise<Platform>;
  shelf(state: State, config: Config, paths: Paths, platform: Platform): ImageShelf;
}

export interface Composition {
  handlers: Handlers;
  /** Whoever looks at VMs finds those gone whose removal was answered. */
  before(method: Method, signal: AbortSignal): Promise<void>;
  /** Machines that run: while there is one, the daemon does not idle out. */
  activeVms(): number;
  /** Called whenever a machine has started or ended. */
  onVmsChanged(listener: () => void): void;
  config: Config;
  close(): Promise<void>;
}

/** The whole of a `vm run --rm`, which is not to wait for the end of another; and what ends the daemon, which waits itself. */
const atOnce: ReadonlySet<Method> = new Set([
  ...([
    "ping",
    "daemon.operations.list",
    "config.defaults",
    "vm.create",
    "workspace.import",
    "vm.delete",
    "daemon.stop",
  ] as const),
  ...(["guest.exec", "guest.resize", "guest.signal", "guest.connect", "events.follow"] as const),
]);

/** Opens the state, probes the host, reconciles rows with the world. Throws bad_config, bad_version, host_missing. */
export async function composeDaemon(env: DaemonEnvironment, substitutes: Substitutes): Promise<Composition> {
  const { place, log } = env;
  const { paths } = place;
  const readStamp = configStamp(paths.config);
  const config = loadConfig(paths.config);
  const fileSync = {
    home: paths.home,
    entries: fileSyncEntries(config, paths.home, paths.config),
  };
  for (const key of inertKeys) {
    if (isSet(config, key)) log.warn(`config key ${key} has no effect in this version`);
  }
  for (const key of administratorKeys) {
    if (isSet(config, key))
      log.warn(`config key ${key} has no effect in ${paths.config}`, { belongs: systemConfigFile });
  }
  const vmPaths = {
    vms: join(paths.state, "vms"),
    run: join(paths.runtime, "vms"),
    workTemplates: join(paths.state, "work-templates"),
    templates: join(paths.state, "templates"),
  };
  mkdirSync(vmPaths.vms, { recursive: true, mode: 0o700 });
  mkdirSync(vmPaths.run, { recursive: true, mode: 0o700 });

  const reserve = diskReserve(join(paths.state, "reserve"));
  const happenings = new Happenings(log);
  const state = observedState(
    openOnFullDisk(reserve, () => openState(join(paths.state, "banger.db"))),
    (kind, { id, name }) => happenings.add(kind, { id, name }),
  );
  if (state.setAside !== undefined) {
    log.error("the database was damaged: it was set aside, and VMs are found again by their directories", {
      setAside: state.setAside,
    });
  }
  reserve.hold();
  const platform = await substitutes.platform(config, place, vmPaths);
  const { driver, devices, rootDiskStrategy } = platform;
  const runtimes = new Runtimes();
  const images = substitutes.shelf(state, config, paths, platform);
  const sshKey = ownKey(config, paths);
  const templates = openTemplates(vmPaths.templates, { maxBytes: config.warm.max_size, log });
  const checkpoints = join(paths.state, "checkpoints");
  const deps: VmDeps = {
    checkpoints: openCheckpoints(checkpoints),
    templates: config.warm.mode === "off" ? undefined : templates,
    spare: config.warm.spare,
    suspendAfterMs: config.auto_suspend_after,
    stopAfterMs: config.auto_stop_stale_after,
    happened: (kind, subject, details) => happenings.add(kind, subject, details),
    state,
    driver,
    paths: vmPaths,
    bootSource: (imageId, kernelId) => images.bootSource(imageId, kernelId),
    rootDiskStrategy,
    authorizedKeys: async () => [await sshKey.publicKey()],
    devices,
    fileSync,
    reserve,
    runtimes,
    workspaces: new Workspaces(vmPaths, (imageId, kernelId) => images.bootSource(imageId, kernelId)),
    openSession: (stream, signal) => openAgentSession(stream, { signal, log }),
    sshTarget: (vm) => sshTarget(vm, vmPaths, sshKey),
    log,
    failpoint: failpointFromEnvironment(process.env.BANGER_FAILPOINT),
  };
  runtimes.revive = (id) => reattach(deps, id);
  runtimes.otherWay = (id) => state.vms.get(id)?.address != null;
  const vms = new VmService(deps);
  await images.cleanStaging((path, error) => {
    log.error("what was left of an interrupted or removed image or kernel takes room: remove it by hand", {
      ...{ path, error: toBangerError(error).message },
    });
  });
  await reconcile(deps, vms);

  const knownHosts = join(paths.state, "ssh", "known_hosts");
  const names = new Names({
    ...{ vms, runtimes, log, paths: vmPaths, knownHosts, resolver: platform.resolver },
  });
  await names.open();
  vms.onChange(() => names.changed());

  const startedAt = new Date().toISOString();
  // While nobody waits for it; who needs the answer asks again, and gets this one.
  await driver.probe();
  const running = () => vms.list().filter((vm) => vm.machine !== null).length;
  const status = (probe: DriverProbe): DaemonStatus => ({
    pid: process.pid,
    version,
    commit,
    mode: place.mode,
    modeReason: place.reason,
    socket: paths.socket,
    logPath: paths.daemonLog,
    stateDir: paths.state,
    startedAt,
    rssBytes: process.memoryUsage.rss(),
    vmsRunning: running(),
    vmsTotal: vms.list().length,
    names: names.status(),
    driver: driver.name,
    acceleration: probe.acceleration,
    driverReason: probe.reason ?? null,
    driverHint: probe.hint ?? null,
    driverUsable: probe.usable,
    diskStrategy: rootDiskStrategy,
    idleTimeoutMs: place.mode === "system" ? 0 : config.daemon_idle_timeout,
  });
  const parts: Parts = {
    config,
    state,
    log,
    configChanged: () => configStamp(paths.config) !== readStamp,
    paths: { vm: vmPaths, checkpoints, config: paths.config, daemonLog: paths.daemonLog },
    happenings,
    vms,
    runtimes,
    workspaces: deps.workspaces,
    devices,
    images,
    templates,
    names,
    // A host without a usable driver is told so now, not after minutes of building.
    boot: {
      ensure: async (name, ctx) => usable(driver, () => images.ensure(name, ctx)),
      renew: async (name, ctx) => usable(driver, () => images.renew(name, ctx)),
    },
    defaults: () => specDefaults(config, { cpus: availableParallelism(), memoryBytes: totalmem() }),
    spaceWarnings: async ({ diskBytes, overlayBytes, memoryMiB }) => {
      const free = (await freeSpace(vmPaths.vms)).bytes;
      const most = diskBytes + overlayBytes;
      const memory = memoryMiB * 1024 ** 2;
      const warnings: string[] = [];
      if (most > free)
        warnings.push(
          `the VM's disks may grow to ${formatBytes(most)}, but only ${formatBytes(free)} are free in ${vmPaths.vms}`,
        );
      if (memory > totalmem())
        warnings.push(
          `the VM may take ${formatBytes(memory)} of memory, but this host has ${formatBytes(totalmem())} in all`,
        );
      return warnings;
    },
    ssh: { identityFile: () => sshKey.identityFile(), knownHosts },
    status: async () => status(await driver.probe()),
    stop: env.stop,
  };
  return {
    handlers: {
      ...daemonHandlers(parts),
      ...vmHandlers(parts),
      ...liveHandlers(parts),
      ...guestHandlers(parts),
      ...fileHandlers(parts),
      ...imageHandlers(parts),
      ...templateHandlers(parts),
      ...watchHandlers(parts),
    },
    before: async (method, signal) => {
      if (!atOnce.has(method)) await vms.leaving.gone(signal);
    },
    activeVms: () => running() + (vms.maker.busy || vms.idle.busy || vms.leaving.any ? 1 : 0),
    onVmsChanged: (listener) => vms.onChange(listener),
    config,
    close: async () => {
      await names.close();
      await vms.close();
      state.close();
      removeIfEmpty(vmPaths.run);
    },
  };
}

/** Machines that run on keep it. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or somebody else's cleaning was quicker.
  }
}

/** True when the user has set a key to something other than its default. */
function isSet(config: Config, key: keyof Config): boolean {
  const value = config[key];
  const initial = loadConfig("/dev/null")[key];
  return JSON.stringify(value) !== JSON.stringify(initial);
}

async function usable<T>(driver: VmmDriver, then: () => Promise<T>): Promise<T> {
  const probe = await driver.probe();
  if (probe.usable) return then();
  throw new BangerError("host_missing", probe.reason ?? "no driver works", {
    hint: probe.hint ?? "see what is missing: banger doctor",
  });
}

/** Without a database nothing could be deleted, and a full disk would stay full. */
function openOnFullDisk(reserve: DiskReserve, open: () => State): State {
  try {
    return open();
  } catch (error) {
    if (toBangerError(error).code !== "no_space" || !reserve.release()) throw error;
    return open();
  }
}
