/** The size of a new VM: flags over the daemon's defaults, sent as explicit values, so that what is shown is made. */
import { formatBytes, type VmName } from "../../base/base.ts";
import type { Params } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { absoluteImage } from "../image/absolute-image.ts";

export interface SpecInput {
  name: VmName | undefined;
  image: string | undefined;
  vcpu: number | undefined;
  /** Bytes. */
  memory: number | undefined;
  diskSize: number | undefined;
  nat: boolean;
  /** The repository's file that asks for the way out, which is the user's to grant. */
  natAskedBy?: string | undefined;
  cold: boolean;
}

type Create = Params<"vm.create">;

export interface VmPlan {
  params: Create;
  /** Prints the spec line and the notices, once: when something is made of it, and not when the daemon refuses at once. */
  announce(): void;
}

/** Resolves the defaults. */
export async function planVm(
  ctx: Context,
  client: Daemon,
  input: SpecInput,
  how: Pick<Create, "start" | "ephemeral" | "workspace" | "bare">,
  notices: readonly string[] = [],
): Promise<VmPlan> {
  const defaults = await client.call("config.defaults", {}, { signal: ctx.signal });
  const spec = {
    vcpu: input.vcpu ?? defaults.vcpu.value,
    memoryMiB: input.memory === undefined ? defaults.memoryMiB.value : Math.floor(input.memory / 1024 / 1024),
    diskBytes: input.diskSize ?? defaults.diskBytes.value,
    overlayBytes: defaults.overlayBytes.value,
    nat: input.nat || (input.natAskedBy !== undefined && defaults.projectNat),
  };
  if (input.natAskedBy !== undefined && !spec.nat) {
    const always = `project_nat = true in ${defaults.configPath}`;
    ctx.note(`${input.natAskedBy} asks for the network, which is yours to give: --nat, or ${always}`);
  }
  if (defaults.configChanged) {
    const how = "banger daemon stop, or with the system services: sudo banger system restart";
    ctx.note(`${defaults.configPath} has changed, and bangerd reads it when it starts: ${how}`);
  }
  let announced = false;
  return {
    params: {
      ...(input.name === undefined ? {} : { name: input.name }),
      image: input.image === undefined ? defaults.image.value : absoluteImage(input.image, ctx.cwd),
      ...spec,
      ...(input.cold ? { cold: true } : {}),
      ...how,
    },
    announce: () => {
      if (announced) return;
      announced = true;
      ctx.note(`spec: ${spec.vcpu} vcpu | ${spec.memoryMiB} MiB | ${formatBytes(spec.diskBytes)} disk`);
      for (const notice of notices) ctx.note(notice);
    },
  };
}
