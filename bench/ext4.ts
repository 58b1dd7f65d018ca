/** 5,000 files / 50 MB of a tar into a fresh work disk: by banger, by mke2fs -d of the unpacked tree, and by tar into a directory. */
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createWorkDisk } from "../src/disk/disk.ts";
import { fillFromTar, openFresh } from "../src/ext4/ext4.ts";
import type { Arm } from "./pairs.ts";
import { repository } from "./workspace.ts";
import { scratch } from "./world.ts";

const sizeBytes = 8 * 1024 ** 3;
/** As pieces of a stream arrive. */
const pieceBytes = 64 * 1024;

/** What is made anew for each arm, the fresh disk or the empty directory, is not timed; the reading of the tar is. */
export function ext4Arms(): { filled: Arm; mke2fs: Arm; unpacked: Arm } {
  const tree = repository();
  const archive = join(scratch, "repo.tar");
  if (!existsSync(archive)) execFileSync("tar", ["-C", tree, "--owner=0", "--group=0", "-cf", archive, "."]);
  const disk = join(scratch, "work.ext4");
  const timed = async (prepare: () => Promise<void> | void, run: () => void) => {
    rmSync(disk, { force: true });
    await prepare();
    const started = performance.now();
    run();
    return performance.now() - started;
  };
  const fresh = () => createWorkDisk({ path: disk, sizeBytes, templatesDir: join(scratch, "templates") });
  const dir = join(scratch, "unpacked");
  const emptyDir = () => {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
  };
  const seeded = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-E",
    "lazy_itable_init=1,lazy_journal_init=1",
    "-d",
    tree,
    disk,
    "8G",
  ];
  return {
    filled: { name: "filled", run: () => timed(fresh, () => fill(disk, archive)) },
    mke2fs: {
      name: "mke2fs -d",
      run: () =>
        timed(
          () => {},
          () => execFileSync("mke2fs", seeded),
        ),
    },
    unpacked: {
      name: "tar x",
      run: () => timed(emptyDir, () => execFileSync("tar", ["-C", dir, "-xf", archive])),
    },
  };
}

function fill(disk: string, archive: string): void {
  const fd = openSync(disk, "r+");
  const from = openSync(archive, "r");
  const filler = openFresh(fd);
  const filling = fillFromTar(filler, Buffer.from("repo"));
  const piece = Buffer.alloc(pieceBytes);
  for (let got = readSync(from, piece); got > 0; got = readSync(from, piece))
    filling.push(piece.subarray(0, got));
  filling.finish();
  filler.finish();
  closeSync(from);
  closeSync(fd);
}
