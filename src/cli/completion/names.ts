/** Names that only the daemon knows, for a shell that waits: from one that runs, soon, or none. */
import { formatBytes } from "../../base/base.ts";
import type { ImageInfo, KernelInfo } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import type { Completes } from "../option.ts";
import type { Candidate, Position } from "./position.ts";

/** For how long a person waits for a key's effect, in ms. A daemon that hangs is not waited for. */
export const patienceMs = 400;

/** Never rejects, and starts no daemon. */
export async function namesFor(
  { names, given }: Pick<Position, "names" | "given">,
  ctx: Pick<Context, "runningClient">,
): Promise<Candidate[]> {
  if (names === undefined || names === "file" || names === "directory") return [];
  const late = Promise.withResolvers<Candidate[]>();
  const timer = setTimeout(() => late.resolve([]), patienceMs);
  try {
    return await Promise.race([ask(names, given, ctx), late.promise]);
  } catch {
    // Whatever it is, the next command says it; here it would be in the midst of a line that is being typed.
    return [];
  } finally {
    clearTimeout(timer);
  }
}

async function ask(
  names: Completes,
  given: readonly string[],
  ctx: Pick<Context, "runningClient">,
): Promise<Candidate[]> {
  const daemon = await ctx.runningClient();
  if (daemon === undefined) return [];
  try {
    const found = await askers[names](daemon, given);
    return found.filter(({ word }) => word !== "" && !given.includes(word));
  } finally {
    daemon.close();
  }
}

type Asker = (daemon: Daemon, given: readonly string[]) => Promise<Candidate[]>;

const askers: Readonly<Record<Completes, Asker>> = {
  vm: async (daemon) => {
    const vms = await daemon.call("vm.list", {});
    return vms.map(({ name, state, asleep, image }) => ({
      word: name,
      about: `${asleep ? "asleep" : state}, ${image.name}`,
    }));
  },
  snapshot: async (daemon, given) => {
    // snapshot ACTION VM NAME: those of that VM.
    const ref = given.at(-1);
    const found = await daemon.call("snapshot.list", ref === undefined ? {} : { ref });
    return found.map(({ name, vm }) => ({ word: name, about: `of ${vm.name}` }));
  },
  image: async (daemon) => (await daemon.call("image.list", { available: false })).map(ofArtifact),
  "catalog image": async (daemon) => (await daemon.call("image.list", { available: true })).map(ofArtifact),
  kernel: async (daemon) => (await daemon.call("kernel.list", { available: false })).map(ofArtifact),
  "catalog kernel": async (daemon) => (await daemon.call("kernel.list", { available: true })).map(ofArtifact),
  place: async (daemon) => {
    const vms = await daemon.call("vm.list", {});
    return vms.map(({ name, state }) => ({ word: `${name}:`, about: `a path in it; ${state}` }));
  },
  file: async () => [],
  directory: async () => [],
};

function ofArtifact({ name, description, sizeBytes }: ImageInfo | KernelInfo): Candidate {
  const size = sizeBytes === null ? [] : [formatBytes(sizeBytes)];
  return { word: name, about: [description, ...size].filter((part) => part !== "").join(", ") };
}
