/** The vm room over a world of machines without a VMM, for tests of what is done to VMs that run. Only for tests. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layered, MachineWorld, strategyOf, type WorldManner } from "../../../tests/fakes/machines.ts";
import { VmName } from "../../base/ids.ts";
import { diskReserve } from "../../disk/disk.ts";
import { openState, type State, type VmRecord } from "../../state/state.ts";
import { openCheckpoints, openTemplates } from "../../warm/warm.ts";
import type { VmDeps } from "../deps.ts";
import { Runtimes, reattach, VmService, Workspaces } from "../vm.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
export const spec = { vcpu: 1, memoryMiB: 256, diskBytes: 64 << 20, overlayBytes: 64 << 20, nat: false };
const source = { image: { id: "sha256:i", name: "image" }, kernel: { id: "sha256:k", name: "kernel" } };

export class LiveRoom {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-live-"));
  readonly state: State;
  readonly warned: string[] = [];
  deps: VmDeps;
  service: VmService;

  readonly world: MachineWorld;

  constructor(
    private readonly change: Partial<VmDeps> = {},
    private readonly manner: WorldManner = layered,
  ) {
    this.world = new MachineWorld(manner);
    for (const name of ["vms", "run"]) mkdirSync(join(this.dir, name));
    writeFileSync(join(this.dir, "rootfs.ext4"), Buffer.alloc(1 << 20));
    this.state = openState(join(this.dir, "banger.db"));
    [this.deps, this.service] = this.#daemon();
  }

  /** Another daemon over the same files and machines. */
  restart(): void {
    [this.deps, this.service] = this.#daemon();
  }

  #daemon(): [VmDeps, VmService] {
    const { dir, world, state } = this;
    const paths = {
      ...{ vms: join(dir, "vms"), run: join(dir, "run") },
      ...{ workTemplates: join(dir, "work"), templates: join(dir, "templates") },
    };
    const bootSource = async () => ({
      ...{ ...source, rootfs: join(dir, "rootfs.ext4"), vmlinux: "/vmlinux", initramfs: "/initramfs" },
      ...{ cmdline: ["quiet"], workSeed: undefined },
    });
    const deps: VmDeps = {
      ...{ state, driver: world.driver(), devices: world.devices(), runtimes: new Runtimes(), log: silent },
      ...{ paths, bootSource, workspaces: new Workspaces(paths, bootSource) },
      ...{ rootDiskStrategy: strategyOf(this.manner), authorizedKeys: async () => [] },
      reserve: diskReserve(join(dir, "reserve"), 4096),
      openSession: async (stream) => world.session(stream),
      checkpoints: openCheckpoints(join(dir, "checkpoints")),
      templates: openTemplates(join(dir, "templates"), { maxBytes: 1 << 30, log: silent }),
      templateQuietMs: 1e6,
      ...this.change,
    };
    deps.runtimes.revive = (id) => reattach(deps, id);
    return [deps, new VmService(deps)];
  }

  options() {
    return { signal: new AbortController().signal, warn: (said: string) => this.warned.push(said) };
  }

  async start(name: string): Promise<VmRecord> {
    const input = { ephemeral: false, willStart: true, workspace: false, cold: false, spec };
    const made = { ...input, name: VmName.parse(name), source: await this.deps.bootSource("", "") };
    const { id } = await this.service.create(made, this.options(), () => {});
    return this.service.start(id, this.options());
  }

  session(name: string) {
    return this.deps.runtimes.session(this.service.find(name), this.options().signal);
  }

  checkpoints(): string[] {
    return readdirSync(join(this.dir, "checkpoints"));
  }

  async close(): Promise<void> {
    await this.service.close();
    this.state.close();
    rmSync(this.dir, { recursive: true });
  }
}
