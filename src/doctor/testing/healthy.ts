/** Facts of hosts on which all is well, to be spoilt one at a time. Only for tests. */
import { VmId } from "../../base/ids.ts";
import { commit, version } from "../../base/version.ts";
import { ConfigSchema, rootConfigDefaults } from "../../config/config.ts";
import { systemPaths, userPaths } from "../../config/paths.ts";
import { adviceFor } from "../advice.ts";
import { checks } from "../checks.ts";
import { parseDistribution } from "../distribution.ts";
import type { DirectoryFacts } from "../facts/storage.ts";
import type { Facts, Snapshot } from "../facts.ts";
import { judgeAll, type Result } from "../judge.ts";
import type { Place } from "../place.ts";

const GiB = 1024 ** 3;
const home = "/home/alice";
const install = {
  ...{ owner: "alice", uid: 1000, gid: 1000, home, version, commit },
  ...{ built_at: "unknown", installed_at: "2026-03-04T10:00:00Z" },
};
const common = { uid: 1000, user: "alice", problem: undefined };

export const userPlace: Place = {
  ...common,
  ...{ mode: "user", reason: "no system services are installed", install: undefined },
  paths: userPaths({ HOME: home, XDG_RUNTIME_DIR: "/run/user/1000" }),
  env: { HOME: home, XDG_RUNTIME_DIR: "/run/user/1000", PATH: "/usr/bin" },
};
export const systemPlace: Place = {
  ...common,
  ...{ mode: "system", reason: "the system services are installed for you", install },
  paths: systemPaths(home),
  env: userPlace.env,
};

export function directory(path: string, change: Partial<DirectoryFacts> = {}): DirectoryFacts {
  return {
    ...{ path, there: path, exists: true, isDirectory: true, uid: 1000, mode: 0o700, refused: undefined },
    fileSystem: {
      ...{ type: "ext4", mountPoint: "/", options: ["rw", "relatime"], totalBytes: 100 * GiB },
      ...{ freeBytes: 50 * GiB, totalInodes: 1_000_000, freeInodes: 900_000 },
    },
    ...change,
  };
}

export const aVm = VmId.parse("3f2a91c0-5b7e-4d21-9c3a-0123456789ab");
const unit = { active: "active", sub: "running", enabled: true, restarts: 0 };
const answer = { version, commit, pid: 4711 };
const programs = ["qemu-system-x86_64", "mke2fs", "e2fsck", "resize2fs", "git", "ssh", "mmdebstrap"];
const builders = ["newuidmap", "newgidmap", "apt-get", "dpkg-deb"];
const vmm = { version: "1.12.1", problem: undefined };

export const healthy: Facts = {
  machine: {
    ...{ arch: "x64", kernel: "6.1.0", virtual: false, wsl: false, cpus: 8, vendor: "intel" },
    memory: { totalBytes: 32 * GiB, availableBytes: 24 * GiB },
  },
  kvm: {
    ...{ obstacle: undefined, device: { mode: "crw-rw----", group: "kvm" } },
    ...{ inGroup: true, listed: true, kvmGroup: true },
  },
  programs: {
    paths: Object.fromEntries([...programs, ...builders].map((name) => [name, `/usr/bin/${name}`])),
    path: "/usr/bin",
    versions: { e2fsprogs: "1.47.0", git: "2.39.5", ssh: "9.2p1" },
  },
  qemu: { driver: "qemu", usable: true, acceleration: "kvm", version: "7.2.22" },
  builds: { namespace: "works", mirror: { archive: "http://deb.debian.org/debian" } },
  settings: { path: userPlace.paths.config, exists: false, problems: [], config: ConfigSchema.parse({}) },
  storage: {
    state: directory("/home/alice/.local/state/banger"),
    runtime: directory("/run/user/1000/banger"),
    temporary: directory("/tmp", { uid: 0, mode: 0o1777 }),
    database: "good",
  },
  images: {
    wanted: "debian-bookworm",
    image: {
      stored: { id: "sha256:ab", createdAt: "2026-03-04T10:00:00Z", outdated: false },
      inCatalog: true,
    },
    kernel: { name: "debian-cloud-6.1", release: "6.1.0-56-cloud-amd64", inCatalog: true },
    otherCatalogs: [],
    available: ["debian-bookworm"],
  },
  daemon: {
    answer: {
      status: {
        ...{ pid: 4711, version, commit, mode: "user", modeReason: "", socket: "", logPath: "" },
        ...{ stateDir: "", startedAt: "", rssBytes: 0, vmsRunning: 0, vmsTotal: 0, driver: "qemu" },
        ...{ driverUsable: true, acceleration: "kvm", driverReason: null, driverHint: null },
        ...{ diskStrategy: "overlay", idleTimeoutMs: 0, names: { server: "127.0.0.1:42069", routed: true } },
      },
      vms: [],
    },
    socketThere: true,
    startError: undefined,
  },
  sshConfig: {
    ...{ path: "/home/alice/.config/banger/ssh_config", exists: false },
    ...{ program: undefined, programThere: false, knownHosts: undefined },
  },
  update: {
    pending: { path: "/usr/local/lib/banger/updates/pending.json", exists: false },
    otherUnits: [],
  },
  units: ["bangerd-root.service", "bangerd-build.socket", "bangerd.service"].map((name) => ({
    unit: name,
    ...unit,
  })),
  sockets: [
    { unit: "bangerd-root.service", socket: "/run/banger-root/bangerd-root.sock", answer },
    { unit: "bangerd.service", socket: "/run/banger/bangerd.sock", answer },
  ],
  trusted: {
    files: [{ path: "/etc/banger/install.toml", exists: true, problem: undefined }],
    ...{ problem: undefined, hint: undefined, config: rootConfigDefaults },
  },
  firecracker: {
    firecracker: { path: "/usr/local/bin/firecracker", ...vmm },
    jailer: { path: "/usr/local/bin/jailer", ...vmm },
    lookedIn: ["/usr/local/bin", "/usr/bin"],
    probe: { driver: "firecracker", usable: true, acceleration: "kvm", version: "1.12.1" },
  },
  kernelParts: ["loop", "dm_mod", "dm_snapshot", "tun", "bridge", "kvm"].map((module) => ({
    module,
    state: "there",
  })),
  jails: {
    ...{ path: "/var/lib/banger-jail", exists: true, sameFileSystem: true, problem: undefined },
    fileSystem: directory("/").fileSystem,
  },
  network: {
    ...{ bridge: "br-fc", subnet: "172.16.0.0/24", found: "banger's", up: true, overlap: undefined },
    ...{ neighbours: [], forwards: false, gates: undefined },
  },
  nameServer: { server: "192.0.2.53", configured: false, answerMs: 12, resolvedStopped: false },
  guestPath: { server: "192.0.2.53", bridgeMs: 3, serverMs: 14 },
  inventory: { vms: [], baseLoops: 0, idleTaps: 4, bridge: "br-fc" },
};

export const debian = parseDistribution('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"');

/** What the whole table says of a healthy host with these facts instead of its own. */
export function judged(
  change: Partial<Facts> = {},
  place: Place = userPlace,
  distribution = debian,
): Result[] {
  const facts = { ...healthy, ...change };
  const snapshot = Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, { known: true, value }]),
  ) as Partial<Snapshot>;
  const wanted = checks.filter(({ modes }) => modes.includes(place.mode));
  return judgeAll(wanted, snapshot, adviceFor(distribution, place.uid === 0), place);
}

/** The one verdict of that. */
export function verdict(
  id: string,
  change: Partial<Facts> = {},
  place: Place = userPlace,
  distribution = debian,
) {
  const found = judged(change, place, distribution).find((each) => each.id === id);
  if (found === undefined) throw new Error(`there is no check ${id} in ${place.mode} mode`);
  return { state: found.state, summary: found.summary, remedy: found.remedy };
}
