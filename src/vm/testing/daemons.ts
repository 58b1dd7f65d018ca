/** Daemons' vm rooms, one after the other over the same files and machines without a VMM. Only for tests. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layered, MachineWorld, strategyOf, type WorldManner } from "../../../tests/fakes/machines.ts";
import { VmName } from "../../base/ids.ts";
import { diskReserve } from "../../disk/disk.ts";
import { openState, type State } from "../../state/state.ts";
import { openCheckpoints, openTemplates } from "../../warm/warm.ts";
import type { VmDeps } from "../deps.ts";
import { Runtimes, VmService, Workspaces } from "../vm.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
export const spec = { vcpu: 1, memoryMiB: 256, diskBytes: 64 << 20, overlayBytes: 64 << 20, nat: false };
export const options = () => ({ signal: new AbortController().signal });

export class Daemons {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-vm-"));
  readonly world: MachineWorld;
  readonly #open: State[] = [];

  constructor(private readonly manner: WorldManner = layered) {
    this.world = new MachineWorld(manner);
    for (const name of ["vms", "run", "seed"]) mkdirSync(join(this.dir, name));
    writeFileSync(join(this.dir, "rootfs.ext4"), Buffer.alloc(1 << 20));
  }

  /** One over the files and machines that earlier ones left. */
  daemon(change: Partial<VmDeps> = {}): { deps: VmDeps; service: VmService } {
    const { dir, world } = this;
    const state = openState(join(dir, "banger.db"));
    this.#open.push(state);
    const source = {
      image: { id: "sha256:i", name: "image" },
      kernel: { id: "sha256:k", name: "kernel" },
      rootfs: join(dir, "rootfs.ext4"),
      vmlinux: "/vmlinux",
      initramfs: "/initramfs",
      cmdline: ["quiet"],
      workSeed: undefined,
    };
    const paths = {
      vms: join(dir, "vms"),
      run: join(dir, "run"),
      workTemplates: join(dir, "work"),
      templates: join(dir, "templates"),
    };
    const deps: VmDeps = {
      state,
      driver: world.driver(),
      paths,
      bootSource: async () => source,
      rootDiskStrategy: strategyOf(this.manner),
      authorizedKeys: async () => ["ssh-ed25519 AAAA test"],
      checkpoints: openCheckpoints(join(dir, "checkpoints")),
      templates: openTemplates(join(dir, "templates"), { maxBytes: 1 << 30, log: silent }),
      templateQuietMs: 1e6,
      templateIdleMs: 0,
      devices: world.devices(),
      reserve: diskReserve(join(dir, "reserve"), 4096),
      runtimes: new Runtimes(),
      workspaces: new Workspaces(paths, async () => source),
      openSession: async (stream) => world.session(stream),
      log: silent,
      ...change,
    };
    return { deps, service: new VmService(deps) };
  }

  /** Its database is lost. */
  loseDatabase(): void {
    this.#open.pop()?.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(join(this.dir, `banger.db${suffix}`), { force: true });
  }

  /** Everything of VMs that exists outside the database, as text. */
  leftovers(): string {
    const list = (path: string) =>
      (existsSync(path) ? readdirSync(path) : []).map((name) => `${path.replace(this.dir, "")}/${name}`);
    return [...list(join(this.dir, "vms")), ...list(join(this.dir, "run")), this.world.dump()]
      .filter(Boolean)
      .join("\n");
  }

  close(): void {
    for (const state of this.#open) state.close();
    rmSync(this.dir, { recursive: true });
  }
}

export async function make(
  service: VmService,
  deps: VmDeps,
  name: string,
  { ephemeral = false, workspace = false } = {},
) {
  const source = await deps.bootSource("", "");
  return service.create(
    { name: VmName.parse(name), source, spec, ephemeral, willStart: true, workspace, cold: false },
    options(),
    () => {},
  );
}

/** What the world holds when just these VMs run. */
export function ofRunning(...ids: string[]): string {
  return ids
    .flatMap((id) => [`machine ${id}`, `root ${id}`, `tap ${id}`])
    .sort()
    .join("\n");
}
