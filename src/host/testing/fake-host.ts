/** A host below a directory of the test's own, with a systemd that only remembers. Only for tests. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type Answer, type Systemd, type SystemHost, systemPlaces, unitNames } from "../host.ts";

/** What the fake build says that it is. */
export const build = { version: "1.0.0", commit: "0123abcd", builtAt: "2026-03-04T10:00:00Z" };

export const manual = new Map([["banger.1", ".TH BANGER 1"]]);

/** Run by root, the tests can give files to another user; run by anybody else, the owner is who runs them. */
const uid = process.getuid?.() || 54_321;
const gid = process.getgid?.() || 54_321;

export class FakeHost implements SystemHost, Systemd {
  readonly root = mkdtempSync(join(tmpdir(), "banger-host-"));
  /** What is installed from. */
  readonly executable = join(this.root, "home/banger");
  readonly places = systemPlaces(this.root);
  readonly systemd = this;
  uid = 0;
  readonly asRoot = "sudo /home/alice/banger system it";
  readonly running = new Set<string>();
  readonly enabled = new Set<string>();
  /** What was done to the host, in order. */
  readonly done: string[] = [];
  /** Called before each effect: a test throws here. */
  before: (effect: string) => void = () => {};
  /** What a daemon that runs says; undefined is silence. */
  answer: Answer | undefined = { version: build.version, commit: build.commit, pid: 4711 };
  /** How often a service has ended by itself between two looks at it. */
  restartsPerLook = 0;
  #restarts = 0;
  vms: string[] = [];
  users: Record<string, string> = {
    alice: `alice:x:${uid}:${gid}:Alice:/home/alice:/bin/bash`,
    root: "root:x:0:0:root:/root:/bin/bash",
    toor: "toor:x:0:0:root:/root:/bin/bash",
    homeless: `homeless:x:${uid}:${gid}:::/bin/bash`,
  };

  constructor() {
    chmodSync(this.root, 0o755);
    for (const path of [
      "usr/local/bin",
      "usr/local/lib",
      "usr/local/share/man",
      "etc/systemd/system",
      "var/lib",
      "var/cache",
      "home",
    ]) {
      mkdirSync(join(this.root, path), { recursive: true });
    }
    mkdirSync(this.places.systemdRuns, { recursive: true });
    this.newExecutable("first build");
  }

  newExecutable(content: string): void {
    writeFileSync(this.executable, content);
  }

  now = () => new Date("2026-03-04T12:00:00Z");
  say = () => {};
  lookUpUser = async (name: string) => this.users[name];
  ping = async (socket: string) => {
    const unit = socket === this.places.sockets.daemon ? unitNames.daemon : unitNames.helper;
    return this.running.has(unit) ? this.answer : undefined;
  };
  driver = async () => ({
    ...{ driver: "firecracker", driverUsable: true, acceleration: "kvm" },
    ...{ driverReason: null, driverHint: null },
  });
  runningVms = async () => (this.running.has(unitNames.daemon) ? this.vms : undefined);
  clearKernel = async () => this.#do("clear kernel");

  reload = async () => this.#do("reload");
  forget = async () => this.#do("forget");
  enable = async (units: readonly string[]) => {
    this.#do(`enable ${units.join(" ")}`);
    for (const unit of units) this.enabled.add(unit);
  };
  disable = async (units: readonly string[]) => {
    this.#do(`disable ${units.join(" ")}`);
    for (const unit of units) this.enabled.delete(unit);
  };
  /** Services make what real ones make: a directory and files in it. */
  restart = async (units: readonly string[]) => {
    this.#do(`restart ${units.join(" ")}`);
    for (const unit of units) this.running.add(unit);
    for (const path of this.places.runtimes) mkdirSync(path, { recursive: true });
    writeFileSync(join(this.places.state, "banger.db"), "rows");
  };
  stop = async (units: readonly string[]) => {
    this.#do(`stop ${units.join(" ")}`);
    for (const unit of units) this.running.delete(unit);
  };
  state = async (unit: string) => {
    const runs = this.running.has(unit);
    this.#restarts += this.restartsPerLook;
    return {
      active: runs ? "active" : "inactive",
      sub: runs ? "running" : "dead",
      enabled: this.enabled.has(unit),
      restarts: this.#restarts,
    };
  };
  lastWords = async () => "the cat sat on the socket";
  emulated = async () => false;

  /** What the host is like: files with their first line, services. */
  dump(): string[] {
    const found: string[] = [];
    for (const entry of readdirSync(this.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const name = relative(this.root, path);
      if (name.startsWith("home") || path === this.places.lock) continue;
      if (entry.isDirectory()) found.push(`${name}/`);
      else if (entry.isSymbolicLink()) found.push(`${name} ->`);
      else found.push(`${name}: ${readFileSync(path, "utf8").split("\n")[0]}`);
    }
    for (const unit of this.running) found.push(`running: ${unit}`);
    for (const unit of this.enabled) found.push(`enabled: ${unit}`);
    return found.sort();
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }

  #do(effect: string): void {
    this.before(effect);
    this.done.push(effect);
  }
}
