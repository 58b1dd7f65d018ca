/** How banger's ext4 file systems are made: one shape, which ext4/superblock.ts checks for, whatever the host's mke2fs prefers. */
import { cleanEnvironment, runChecked } from "../sys/sys.ts";

export interface Ext4Shape {
  sizeBytes: number;
  label: "banger-work" | "banger-rootfs";
  /** Default: one for each 16 KiB. */
  inodes?: number;
  /** A directory whose content becomes the root's. */
  seedDir?: string | undefined;
}

/**
 * What every guest kernel of the last ten years mounts, said in full: a host's /etc/mke2fs.conf may name features that
 * only its own kernel knows (orphan_file) and blocks of 1 KiB for small disks, which grow badly.
 */
const features =
  "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file," +
  "dir_nlink,extra_isize,metadata_csum";
const environment = { ...cleanEnvironment(), MKE2FS_CONFIG: "/dev/null" };

/** `path` is a file of that size. */
export async function makeExt4(path: string, shape: Ext4Shape, signal?: AbortSignal): Promise<void> {
  await runChecked("mke2fs", mke2fsArguments(path, shape), {
    env: environment,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Never a block count: mke2fs takes the file's size, and its units have misled others. */
export function mke2fsArguments(path: string, { sizeBytes, label, inodes, seedDir }: Ext4Shape): string[] {
  const seed = seedDir === undefined ? [] : ["-d", seedDir];
  // lazy: tables and journal are zeros in a sparse file already. root_owner: also when an ordinary user runs this.
  // resize: room to grow eightfold in place; the default, a thousandfold, costs 4 MiB of tables in each disk.
  const mostBlocks = Math.floor(Math.min(sizeBytes * 8, 16 * 1024 ** 4) / 4096);
  const growth = mostBlocks * 4096 > sizeBytes ? `,resize=${mostBlocks}` : "";
  const extended = `root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1,nodiscard${growth}`;
  const bytesPerInode = sizeBytes > 1024 ** 4 ? "65536" : "16384";
  const count = inodes === undefined ? ["-i", bytesPerInode] : ["-N", String(inodes)];
  const shape = ["-b", "4096", "-I", "256", ...count, "-O", features, "-m", "0"];
  return ["-q", "-F", "-t", "ext4", "-L", label, ...shape, "-E", extended, ...seed, path];
}
