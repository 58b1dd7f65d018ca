/** Images and kernels as the daemon needs them: by name for people, by digest for VMs. */
import { statSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { debianMirror } from "../apt/apt.ts";
import { BangerError, formatBytes, nearest } from "../base/base.ts";
import type { Config } from "../config/config.ts";
import type { Paths } from "../config/paths.ts";
import { freeSpace } from "../disk/disk.ts";
import { agentPath, initPath } from "../host/embedded.ts";
import {
  buildImage,
  imageCatalog,
  listImages,
  readImage,
  removeImage,
  type StoredImage,
  verifyImage,
} from "../image/image.ts";
import {
  bootCmdline,
  buildKernel,
  kernelCatalog,
  listKernels,
  moduleClosure,
  readKernel,
  removeKernel,
  type StoredKernel,
  storeInitramfs,
} from "../kernel/kernel.ts";
import type { ImageInfo, KernelInfo, LifecycleEvent } from "../rpc/rpc.ts";
import type { State } from "../state/state.ts";
import { cleanStaging } from "../sys/sys.ts";
import type { BootSource } from "../vm/vm.ts";
import type { ProgressContext } from "./parts.ts";

export interface ImageShelf {
  /** Image, kernel and initramfs of a name, made or fetched when they are not there yet. */
  ensure(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  /** What an existing VM boots. Throws not_found or corrupt. */
  bootSource(imageId: string, kernelId: string): Promise<BootSource>;
  listImages(available: boolean): Promise<ImageInfo[]>;
  image(ref: string): Promise<ImageInfo>;
  deleteImage(id: string): Promise<void>;
  listKernels(available: boolean): Promise<KernelInfo[]>;
  kernel(ref: string): Promise<KernelInfo>;
  pullKernel(ref: string, force: boolean, ctx: ProgressContext): Promise<void>;
  removeKernel(id: string): Promise<void>;
  /** Removes what killed builds left. */
  cleanStaging(): Promise<void>;
}

/** Drivers of the machines that QEMU makes: everything is on PCI. */
const drivers = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"];

export function imageShelf(state: State, config: Config, paths: Paths): ImageShelf {
  const imagesDir = join(paths.state, "images");
  const kernelsDir = join(paths.state, "kernels");
  /** Builds under way by name: whoever asks meanwhile waits for the same one. */
  const building = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, build: () => Promise<T>): Promise<T> => {
    const running = building.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const started = build().finally(() => building.delete(key));
    building.set(key, started);
    return started;
  };

  const findImage = async (name: string): Promise<StoredImage | undefined> => {
    const row = state.images.list().find((image) => image.name === name);
    return row === undefined ? undefined : await readImage(imagesDir, row.id).catch(notFoundIsUndefined);
  };
  const findKernel = async (name: string): Promise<StoredKernel | undefined> => {
    const row = state.kernels.list().find((kernel) => kernel.name === name);
    return row === undefined ? undefined : await readKernel(kernelsDir, row.id).catch(notFoundIsUndefined);
  };

  const makeKernel = (name: string, ctx: ProgressContext): Promise<StoredKernel> =>
    once(`kernel ${name}`, async () => {
      const entry = kernelCatalog.find((candidate) => candidate.name === name);
      if (entry === undefined) throw unknownName("kernel", name, kernelCatalog);
      if (entry.kind !== "recipe") throw bundleNotYet("kernel", name);
      await needSpace(paths.state, spaceFor.kernel, `kernel ${name}`);
      const report = stageReporter("kernel", ctx);
      const mirror = debianMirror(config.debian_mirror);
      await buildKernel(entry, kernelsDir, { mirror, signal: ctx.signal, progress: report.progress });
      const built = (await listKernels(kernelsDir))
        .filter((kernel) => kernel.name === name)
        .sort(byAge)
        .at(-1);
      if (built === undefined)
        throw new BangerError("internal", `kernel ${name} was built, but is not in the store`);
      state.kernels.put({ name, id: built.id, directory: built.directory, createdAt: built.createdAt });
      report.done();
      return built;
    });

  const makeImage = (name: string, ctx: ProgressContext): Promise<StoredImage> =>
    once(`image ${name}`, async () => {
      const entry = imageCatalog.find((candidate) => candidate.name === name);
      if (entry === undefined) throw unknownName("image", name, imageCatalog);
      if (entry.kind !== "recipe") throw bundleNotYet("image", name);
      const kernel = (await findKernel(entry.kernel)) ?? (await makeKernel(entry.kernel, ctx));
      await needSpace(paths.state, spaceFor.image, `image ${name}`);
      const report = stageReporter("image", ctx);
      const mirror = debianMirror(config.debian_mirror);
      const directory = await buildImage(entry, imagesDir, {
        mirror,
        kernel,
        signal: ctx.signal,
        progress: report.progress,
      });
      const built = (await listImages(imagesDir)).find((image) => image.directory === directory);
      if (built === undefined)
        throw new BangerError("internal", `image ${name} was built, but is not in the store`);
      state.images.put({ name, id: built.id, directory, createdAt: built.createdAt });
      report.done();
      return built;
    });

  const source = async (image: StoredImage, kernel: StoredKernel): Promise<BootSource> => {
    await verifyImage(image);
    const [modules, init, agent] = await Promise.all([
      moduleClosure(kernel.modules, drivers),
      readFile(initPath),
      readFile(agentPath),
    ]);
    return {
      image: { id: image.id, name: image.name },
      kernel: { id: kernel.id, name: kernel.name },
      rootfs: image.rootfs,
      vmlinux: kernel.vmlinux,
      initramfs: await storeInitramfs(kernel.directory, { modules, init, agent }),
      cmdline: bootCmdline,
      workSeed: image.seed,
    };
  };
  /** Assembling a boot source reads a megabyte of modules: once per image and daemon is enough. */
  const sources = new Map<string, Promise<BootSource>>();
  const bootSource = async (imageId: string, kernelId: string): Promise<BootSource> => {
    const image = await readImage(imagesDir, imageId);
    await verifyImage(image);
    const key = `${imageId} ${kernelId}`;
    const known = sources.get(key);
    if (known !== undefined) return known;
    const made = readKernel(kernelsDir, kernelId).then((kernel) => source(image, kernel));
    sources.set(key, made);
    made.catch(() => sources.delete(key));
    return made;
  };

  const imageInfo = async (image: StoredImage): Promise<ImageInfo> => ({
    id: image.id,
    name: image.name,
    kind: "recipe",
    present: true,
    description: imageCatalog.find((entry) => entry.name === image.name)?.description ?? "",
    kernel: image.kernel.name,
    sizeBytes: await allocated(image.directory),
    createdAt: image.createdAt,
    path: image.directory,
  });
  const kernelInfo = async (kernel: StoredKernel): Promise<KernelInfo> => ({
    id: kernel.id,
    name: kernel.name,
    present: true,
    version: kernel.release,
    description: kernelCatalog.find((entry) => entry.name === kernel.name)?.description ?? kernel.source,
    sizeBytes: await allocated(kernel.directory),
    createdAt: kernel.createdAt,
    path: kernel.directory,
  });

  const shelf: ImageShelf = {
    ensure: async (name, ctx) => {
      const image = (await findImage(name)) ?? (await makeImage(name, ctx));
      return bootSource(image.id, image.kernel.id);
    },
    bootSource,
    listImages: async (available) => {
      const present = await Promise.all((await listImages(imagesDir)).map(imageInfo));
      const absent = imageCatalog.filter(
        (entry) => available && !present.some((image) => image.name === entry.name),
      );
      return [
        ...present,
        ...absent.map(
          (entry): ImageInfo => ({
            ...{ id: "", name: entry.name, kind: entry.kind, present: false, description: entry.description },
            ...{ kernel: entry.kernel, sizeBytes: null, createdAt: null, path: null },
          }),
        ),
      ];
    },
    image: async (ref) => imageInfo(pick("image", ref, await listImages(imagesDir))),
    deleteImage: async (id) => {
      const image = await readImage(imagesDir, id);
      state.images.remove(image.name);
      await removeImage(imagesDir, id);
    },
    listKernels: async (available) => {
      const present = await Promise.all((await listKernels(kernelsDir)).map(kernelInfo));
      const absent = kernelCatalog.filter(
        (entry) => available && !present.some((kernel) => kernel.name === entry.name),
      );
      return [
        ...present,
        ...absent.map(
          (entry): KernelInfo => ({
            ...{ id: "", name: entry.name, present: false, version: "", description: entry.description },
            ...{ sizeBytes: null, createdAt: null, path: null },
          }),
        ),
      ];
    },
    kernel: async (ref) => kernelInfo(pick("kernel", ref, await listKernels(kernelsDir))),
    pullKernel: async (ref, force, ctx) => {
      if (!force && (await findKernel(ref)) !== undefined) {
        throw new BangerError("already_exists", `kernel ${ref} is in the store already`, {
          hint: `banger kernel pull --force ${ref}`,
        });
      }
      await makeKernel(ref, ctx);
    },
    removeKernel: async (id) => {
      const kernel = await readKernel(kernelsDir, id);
      const users = (await listImages(imagesDir)).filter((image) => image.kernel.id === id);
      if (users.length > 0) {
        throw new BangerError(
          "precondition",
          `kernel ${kernel.name} belongs to image ${users.map((image) => image.name).join(", ")}`,
          {
            hint: `remove the image first: banger image delete ${users[0]?.name}`,
          },
        );
      }
      state.kernels.remove(kernel.name);
      await removeKernel(kernelsDir, id);
    },
    cleanStaging: async () => {
      await cleanStaging(imagesDir);
      await cleanStaging(kernelsDir);
      // The directories are the truth: names that the database lost are found again, names without one are dropped.
      for (const row of state.images.list()) if (!isDirectory(row.directory)) state.images.remove(row.name);
      for (const row of state.kernels.list()) if (!isDirectory(row.directory)) state.kernels.remove(row.name);
      const known = new Set([...state.images.list(), ...state.kernels.list()].map((row) => row.name));
      for (const image of (await listImages(imagesDir)).sort(byAge)) {
        if (!known.has(image.name))
          state.images.put({
            name: image.name,
            id: image.id,
            directory: image.directory,
            createdAt: image.createdAt,
          });
      }
      for (const kernel of (await listKernels(kernelsDir)).sort(byAge)) {
        if (!known.has(kernel.name))
          state.kernels.put({
            name: kernel.name,
            id: kernel.id,
            directory: kernel.directory,
            createdAt: kernel.createdAt,
          });
      }
    },
  };
  return shelf;
}

/** What a build takes at its largest, in bytes: packages, the unpacked tree, and the file system made of it. */
const spaceFor = { kernel: 400 * 1024 ** 2, image: 3 * 1024 ** 3 } as const;

/** Said before minutes of work, not after. */
async function needSpace(dir: string, bytes: number, what: string): Promise<void> {
  const free = (await freeSpace(dir)).bytes;
  if (free >= bytes) return;
  throw new BangerError(
    "no_space",
    `building ${what} needs ${formatBytes(bytes)}, but ${dir} has ${formatBytes(free)} free`,
    {
      hint: "free some space, or set XDG_STATE_HOME to a larger disk",
    },
  );
}

function stageReporter(stage: string, ctx: ProgressContext) {
  const started = performance.now();
  const emit = (event: LifecycleEvent) => ctx.emit(event);
  emit({ kind: "stage", stage, status: "begin" });
  return {
    progress: (message: string) => emit({ kind: "stage", stage, status: "progress", message }),
    done: () => emit({ kind: "stage", stage, status: "done", ms: performance.now() - started }),
  };
}

function pick<T extends { id: string; name: string }>(kind: string, ref: string, stored: readonly T[]): T {
  const plain = ref.replace(/^sha256:/, "");
  const found = stored.filter(
    (one) => one.name === ref || (/^[0-9a-f]{4,64}$/.test(plain) && one.id.startsWith(`sha256:${plain}`)),
  );
  const newest = [...found].sort(byAge as (a: T, b: T) => number).at(-1);
  if (newest === undefined) throw unknownName(kind, ref, stored);
  return newest;
}

function byAge(a: { createdAt?: string }, b: { createdAt?: string }): number {
  return (a.createdAt ?? "").localeCompare(b.createdAt ?? "");
}

function unknownName(kind: string, name: string, known: readonly { name: string }[]): BangerError {
  const meant = nearest(
    name,
    known.map((one) => one.name),
  );
  return new BangerError("not_found", `there is no ${kind} ${JSON.stringify(name)}`, {
    hint:
      meant === undefined ? `see what there is: banger ${kind} list --available` : `did you mean ${meant}?`,
  });
}

function bundleNotYet(kind: string, name: string): BangerError {
  return new BangerError("precondition", `${kind} ${name} is a bundle, which this version cannot fetch`, {
    hint: `banger ${kind} list --available`,
  });
}

function notFoundIsUndefined(error: unknown): undefined {
  if (error instanceof BangerError && error.code === "not_found") return undefined;
  throw error;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Bytes that a directory's files take on the disk; holes take none. */
async function allocated(directory: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(directory, { recursive: true })) {
    const found = await stat(join(directory, entry)).catch(() => undefined);
    if (found?.isFile()) total += found.blocks * 512;
  }
  return total;
}
