/** `banger system uninstall`: everything that install has put, and what the services have made, whatever of it is there. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BangerError } from "../../base/base.ts";
import { removeDirectory, removeIfEmpty } from "./directories.ts";
import { exists, remove } from "./put.ts";
import { exclusively, needsRoot, needsSystemd } from "./requirements.ts";
import type { SystemHost } from "./system-host.ts";
import { unitNames } from "./units.ts";

export interface UninstallRequest {
  /** VMs, images, caches and an installed Firecracker go too. */
  purge: boolean;
}

export interface Uninstalled {
  /** False when there was nothing. */
  found: boolean;
  /** Directories of what is not made anew by an install that are still there. */
  kept: string[];
}

/**
 * Each step bears repetition, and finds by name what there is: an uninstall that was cut off is finished by the next,
 * and an install that was cut off is removed like a whole one. Throws precondition while VMs run.
 */
export async function uninstall(host: SystemHost, { purge }: UninstallRequest): Promise<Uninstalled> {
  needsRoot(host, "system uninstall");
  await needsSystemd(host);
  return exclusively(host, async () => {
    const { places, systemd } = host;
    await refuseWhileVmsRun(host);
    const files = [
      places.units.daemon,
      places.units.builderSocket,
      places.units.builder,
      places.units.helper,
      places.udevRules,
      ...(await manualPages(host)),
      ...places.links,
      places.executable,
      places.installFile,
    ];
    const data = [places.state, places.cache, places.jail, places.firecracker];
    const present = await Promise.all([...files, places.versions, ...(purge ? data : [])].map(exists));
    // The daemon first: it would ask for a helper that has gone. Builds end with their socket.
    const units = [unitNames.daemon, unitNames.builderSocket, unitNames.helper];
    await systemd.stop(units);
    const enabled: string[] = [];
    for (const unit of units) if ((await systemd.state(unit)).enabled) enabled.push(unit);
    if (enabled.length > 0) await systemd.disable(enabled);
    await host.clearKernel();
    for (const file of files) await remove(file);
    for (const path of [places.versions, places.updates]) await removeDirectory(path);
    await systemd.reload();
    await systemd.forget(units);
    for (const path of places.runtimes) await removeDirectory(path);
    // The administrator's config.toml stays, and then so does its directory.
    await removeIfEmpty(dirname(places.installFile));
    await removeIfEmpty(places.machines);
    await removeIfEmpty(places.manual);
    // Jails are of running VMs, of which there is none.
    for (const path of purge ? data : [places.jail]) await removeDirectory(path);
    for (const path of [join(places.library, "tmp"), places.library]) await removeIfEmpty(path);
    const kept: string[] = [];
    for (const path of data) if (await exists(path)) kept.push(path);
    // Held until this has ended, and nobody's after that.
    await remove(places.lock);
    return { found: present.includes(true), kept };
  });
}

/** Also those of an older build, which had other commands. */
async function manualPages({ places }: SystemHost): Promise<string[]> {
  const names = await readdir(places.manual).catch(() => []);
  return names.filter((name) => /^banger(-[a-z-]+)?\.1$/.test(name)).map((name) => join(places.manual, name));
}

/** Asks the daemon; whatever it says, a control group with a process in it is a machine that runs. */
async function refuseWhileVmsRun(host: SystemHost): Promise<void> {
  const named = (await host.runningVms()) ?? [];
  const running = named.length > 0 ? named : await livingMachines(host);
  if (running.length === 0) return;
  const what = running.length === 1 ? "a VM runs" : `${running.length} VMs run`;
  throw new BangerError("precondition", `${what}: ${running.join(", ")}`, {
    hint: `stop ${running.length === 1 ? "it" : "them"} first: banger vm stop ${running.join(" ")}`,
  });
}

async function livingMachines({ places }: SystemHost): Promise<string[]> {
  const names = await readdir(places.machines, { withFileTypes: true }).catch(() => []);
  const living: string[] = [];
  for (const entry of names) {
    if (!entry.isDirectory()) continue;
    // cgroup.events says "populated 1" while there is a process in the group or below it (cgroups(7)).
    const events = await readFile(join(places.machines, entry.name, "cgroup.events"), "utf8").catch(() => "");
    if (/^populated 1$/m.test(events)) living.push(entry.name);
  }
  return living;
}
