/** An image that comes ready-made, as a bundle. */
import { createHash } from "node:crypto";
import { chmod, mkdir, open, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";
import {
  contradiction,
  type ImageBundleManifest,
  imageBundle,
  type PullRequest,
  pullBundle,
  rootfsMember,
  workMember,
} from "../bundle/bundle.ts";
import { removeTree, stageDirectory } from "../sys/sys.ts";
import { looksLikeExt4, rootfsName, sealImage, seedName, workName } from "./store.ts";

export interface ImagePull extends Omit<PullRequest<ImageBundleManifest>, "shape"> {
  /** In the store. */
  name: string;
  /** Where it is fetched, as people are told. */
  from: string;
  /** The kernel for its VMs, on this machine; asked for when the bundle is there. */
  kernel(wanted: { id: string; name: string }): Promise<{ id: string; name: string }>;
}

/** Into `imagesDir`; gives the finished directory. A killed pull leaves a staging directory alone. Throws as pullBundle. */
export function pullImage(pull: ImagePull, imagesDir: string): Promise<string> {
  return stageDirectory(imagesDir, async (staging) => {
    const members = join(staging, "members");
    const { manifest } = await pullBundle({ ...pull, shape: imageBundle }, async () => {
      await mkdir(members);
      return members;
    });
    const rootfs = join(staging, rootfsName);
    await rename(join(members, rootfsMember), rootfs);
    const { workBytes } = manifest;
    if (workBytes !== undefined) await takeWorkDisk(join(members, workMember), workBytes, staging);
    await removeTree(members);
    const { size } = await stat(rootfs);
    if (size !== manifest.rootfsBytes || !(await looksLikeExt4(rootfs)))
      throw new BangerError(
        "corrupt",
        "the bundle's rootfs.ext4 is not the file system that its manifest says",
      );
    if (workBytes === undefined) await writeSeed(join(staging, seedName), manifest.seed);
    const kernel = await pull.kernel(manifest.kernel);
    const inputs = JSON.stringify(["bundle", pull.sha256, pull.name, kernel.id]);
    const digest = createHash("sha256").update(inputs).digest("hex");
    await sealImage(staging, {
      id: `sha256:${digest}`,
      name: pull.name,
      revision: manifest.revision,
      distro: manifest.distro,
      arch: manifest.arch,
      kernel: { id: kernel.id, name: kernel.name },
      origin: { kind: "bundle", from: pull.from, sha256: pull.sha256 },
      ...(workBytes === undefined ? {} : { workBytes }),
      ...(manifest.oci === undefined ? {} : { oci: manifest.oci }),
    });
    return digest;
  });
}

async function takeWorkDisk(member: string, workBytes: number, staging: string): Promise<void> {
  const { size } = await stat(member);
  if (size !== workBytes || !(await looksLikeExt4(member)))
    throw new BangerError("corrupt", "the bundle's work.ext4 is not the work disk that its manifest says");
  const file = await open(member, "r+");
  await file.sync();
  await file.close();
  await chmod(member, 0o400);
  await rename(member, join(staging, workName));
}

/** The manifest's grammar keeps names below the directory, which is new: there are no links in it to follow. */
async function writeSeed(directory: string, seed: ImageBundleManifest["seed"]): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  for (const { path, mode, base64 } of seed) {
    const place = join(directory, path);
    try {
      await mkdir(dirname(place), { recursive: true, mode: 0o755 });
      if (base64 === null) await mkdir(place, { mode });
      else await writeFile(place, Buffer.from(base64, "base64"), { mode, flag: "wx" });
    } catch (error) {
      throw contradiction(error);
    }
  }
}
