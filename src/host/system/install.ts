/** `banger system install`: a list of steps, each with its way back, so that a failed one leaves the host as it was. */
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { formatInstall, type Install, type Owner, readInstall } from "../../config/install.ts";
import { versionName } from "../../config/installed.ts";
import { memoryJournal, runSteps, type Step, type StepList, steps } from "../../pipeline/pipeline.ts";
import { waitUntilReady } from "./answers.ts";
import { type Directory, ensureDirectory, removeDirectory } from "./directories.ts";
import { findOwner } from "./owner.ts";
import { type Content, exists, keep, put, putBack } from "./put.ts";
import { exclusively, needsRoot, needsSystemd } from "./requirements.ts";
import type { SystemHost } from "./system-host.ts";
import { udevRules, unitNames, unitTexts } from "./units.ts";
import { removeOtherVersions } from "./versions.ts";

export interface InstallRequest {
  owner: string;
  /** The executable to install: the one that runs. */
  executable: string;
  build: { version: string; commit: string; builtAt: string };
  /** Manual pages by file name. */
  manual: ReadonlyMap<string, string>;
  signal?: AbortSignal;
}

/** What was there before: the way back leads there. */
const Before = z.strictObject({
  paths: z.array(z.string()),
  active: z.array(z.string()),
  enabled: z.array(z.string()),
});
type Before = z.infer<typeof Before>;

interface InstallContext {
  host: SystemHost;
  before: Before;
  build: InstallRequest["build"];
}

type InstallStep = Step<InstallContext, Before, object>;

const nothing = z.strictObject({});
const units = [unitNames.helper, unitNames.builderSocket, unitNames.daemon] as const;

/** Installs, or replaces what is installed; VMs are kept, and go on. Returns when both daemons have answered. */
export async function install(host: SystemHost, request: InstallRequest): Promise<Install> {
  needsRoot(host, "system install");
  await needsSystemd(host);
  const owner = await findOwner(request.owner, host.lookUpUser);
  const wanted: Install = {
    ...owner,
    version: request.build.version,
    commit: request.build.commit,
    built_at: request.build.builtAt,
    installed_at: host.now().toISOString(),
  };
  return exclusively(host, async () => {
    refuseAnotherOwner(host, owner);
    const withManual = await exists(dirname(host.places.manual));
    const files = installedFiles(
      host,
      request.executable,
      wanted,
      await exists(dirname(host.places.udevRules)),
      withManual ? request.manual : new Map(),
    );
    const version = versionName(request.build);
    const places = directories(host, owner, version);
    // Others' too, where it is there: then it stays as it is.
    if (withManual && !(await exists(host.places.manual))) places.push(manualDirectory(host));
    const paths = [...host.places.runtimes, ...places.map(({ path }) => path), ...files.keys()];
    const before = await lookAround(host, paths);
    const list = installSteps(places, files);
    const options = { journal: memoryJournal(), signal: request.signal };
    await runSteps(list, { host, before, build: request.build }, before, options);
    for (const path of files.keys()) await keep(path);
    await removeOtherVersions(host.places.versions, version);
    return wanted;
  });
}

/** VMs and their disks are the owner's: they do not change hands by an install. */
function refuseAnotherOwner(host: SystemHost, owner: Owner): void {
  let installed: Install | undefined;
  try {
    installed = readInstall(host.places.installFile);
  } catch {
    // Damaged: this install writes it anew; to whom the VMs belong, their directory still says.
  }
  if (installed === undefined || installed.uid === owner.uid) return;
  throw new BangerError("precondition", `banger is installed for ${installed.owner} already`, {
    hint: "one host has one owner; to change it: sudo banger system uninstall",
  });
}

function manualDirectory({ places }: SystemHost): Directory {
  return { path: places.manual, mode: 0o755, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

function directories({ places }: SystemHost, owner: Owner, version: string): Directory[] {
  // Root's, as which this runs.
  const roots = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const owners = { uid: owner.uid, gid: owner.gid, mode: 0o700 };
  return [
    { path: places.library, mode: 0o755, ...roots },
    { path: places.versions, mode: 0o755, ...roots },
    { path: join(places.versions, version), mode: 0o755, ...roots },
    // Services mount over it: see the units.
    { path: join(places.library, "tmp"), mode: 0o755, ...roots },
    { path: dirname(places.installFile), mode: 0o755, ...roots },
    { path: places.state, ...owners },
    { path: places.cache, ...owners },
    { path: places.jail, mode: 0o711, ...roots },
  ];
}

/** In the order in which they are put: what refers to another comes after it. */
function installedFiles(
  { places }: SystemHost,
  executable: string,
  wanted: Install,
  withUdev: boolean,
  manual: InstallRequest["manual"],
): Map<string, Content> {
  const unit = unitTexts(wanted.owner);
  const program = join(places.versions, versionName(wanted), "banger");
  return new Map<string, Content>([
    [program, { kind: "copy", of: executable, mode: 0o755 }],
    [places.executable, { kind: "symlink", to: program }],
    ...places.links.map((link): [string, Content] => [
      link,
      { kind: "symlink", to: join("..", "..", "bin", basename(places.executable)) },
    ]),
    ...[...manual].map(([name, text]): [string, Content] => [
      join(places.manual, name),
      { kind: "text", text, mode: 0o644 },
    ]),
    [places.installFile, { kind: "text", text: formatInstall(wanted), mode: 0o644 }],
    // udev reads it when the next device appears.
    ...(withUdev
      ? [[places.udevRules, { kind: "text", text: udevRules, mode: 0o644 }] satisfies [string, Content]]
      : []),
    [places.units.helper, { kind: "text", text: unit.helper, mode: 0o644 }],
    [places.units.builder, { kind: "text", text: unit.builder, mode: 0o644 }],
    [places.units.builderSocket, { kind: "text", text: unit.builderSocket, mode: 0o644 }],
    [places.units.daemon, { kind: "text", text: unit.daemon, mode: 0o644 }],
  ]);
}

async function lookAround({ systemd }: SystemHost, paths: readonly string[]): Promise<Before> {
  const before: Before = { paths: [], active: [], enabled: [] };
  for (const path of paths) if (await exists(path)) before.paths.push(path);
  for (const unit of units) {
    const { active, enabled } = await systemd.state(unit);
    if (active === "active") before.active.push(unit);
    if (enabled) before.enabled.push(unit);
  }
  return before;
}

function installSteps(
  directories: readonly Directory[],
  files: ReadonlyMap<string, Content>,
): StepList<InstallContext, Before, Before> {
  let list = steps<InstallContext, Before>("system.install", "undo", Before).step(services);
  for (const directory of directories) list = list.step(directoryStep(directory));
  for (const [path, content] of files) list = list.step(fileStep(path, content));
  return list.step(enable).step(start);
}

/** Does nothing; its undo, the last of all, lets what was there before go on. */
const services: InstallStep = {
  name: "services",
  output: nothing,
  do: async () => ({}),
  undo: async ({ host: { systemd }, before }) => {
    await systemd.reload();
    await systemd.forget(units);
    if (before.active.length > 0) await systemd.restart(before.active);
  },
};

function directoryStep(directory: Directory): InstallStep {
  const { path } = directory;
  return {
    name: `directory ${path}`,
    output: nothing,
    do: async () => {
      await ensureDirectory(directory);
      return {};
    },
    undo: async ({ before }) => {
      if (!before.paths.includes(path)) await removeDirectory(path);
    },
  };
}

function fileStep(path: string, content: Content): InstallStep {
  return {
    name: `file ${path}`,
    output: nothing,
    do: async () => {
      await put(path, content);
      return {};
    },
    undo: ({ before }) => putBack(path, before.paths.includes(path)),
  };
}

const enable: InstallStep = {
  name: "enable",
  output: nothing,
  do: async ({ host: { systemd } }) => {
    await systemd.reload();
    await systemd.enable(units);
    return {};
  },
  undo: async ({ host: { systemd }, before }) => {
    const fresh = units.filter((unit) => !before.enabled.includes(unit));
    if (fresh.length > 0) await systemd.disable(fresh);
  },
};

const start: InstallStep = {
  name: "start",
  output: nothing,
  do: async ({ host, build }, _before, signal) => {
    host.say("starting bangerd-root and bangerd");
    await host.systemd.restart(units);
    await waitUntilReady(host, { build, signal });
    return {};
  },
  undo: async ({ host, before }) => {
    await host.systemd.stop([...units].reverse());
    const made = host.places.runtimes.filter((path) => !before.paths.includes(path));
    for (const path of made) await removeDirectory(path);
  },
};
