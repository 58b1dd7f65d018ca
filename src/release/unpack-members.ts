/** Takes named files out of a gzipped tar, and trusts nothing else that it says. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { BangerError } from "../base/base.ts";
import { unpacked } from "../packed/packed.ts";

export interface UnpackRequest {
  archive: string;
  /** Name in the archive -> file that is made, 0755. All must be there, once, as regular files. */
  members: Readonly<Record<string, string>>;
  maxMemberBytes: number;
  /** Of the whole archive, unpacked. */
  maxBytes: number;
  /** Nothing else may be in it. */
  alone?: boolean;
}

/** Throws corrupt for an archive that is not whole, not a tar, or holds what no honest one does. */
export async function unpackMembers({
  archive,
  members,
  maxMemberBytes,
  maxBytes,
  alone = false,
}: UnpackRequest): Promise<void> {
  const missing = new Set(Object.keys(members));
  const tar = extract();
  let total = 0;
  tar.on("entry", (header, stream, next) => {
    // It fails with its archive, of which the pipeline below tells.
    stream.on("error", () => {});
    const take = async () => {
      const size = header.size ?? 0;
      total += size;
      if (total > maxBytes) throw corrupt("it is larger unpacked than any of its kind");
      if (header.name.startsWith("/") || header.name.split("/").includes(".."))
        throw corrupt(`it holds a path that leads out of it: ${JSON.stringify(header.name)}`);
      const target = members[header.name];
      if (target === undefined) {
        if (alone) throw corrupt(`it holds more than it should: ${JSON.stringify(header.name)}`);
        stream.resume();
        return;
      }
      if (header.type !== "file") throw corrupt(`${header.name} is no regular file`);
      if (!missing.delete(header.name)) throw corrupt(`${header.name} is in it twice`);
      if (size === 0 || size > maxMemberBytes) throw corrupt(`${header.name} has ${size} bytes`);
      await write(stream, target);
    };
    take().then(
      () => next(),
      (error: unknown) => next(error instanceof Error ? error : corrupt(String(error))),
    );
  });
  try {
    await pipeline(gunzipped(archive), tar);
  } catch (error) {
    if (error instanceof BangerError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOSPC")
      throw new BangerError("no_space", "the disk is full: the archive cannot be unpacked", { cause: error });
    throw corrupt(error instanceof Error ? error.message : String(error));
  }
  if (missing.size > 0) throw corrupt(`it lacks ${[...missing].join(" and ")}`);
}

async function* gunzipped(archive: string): AsyncGenerator<Buffer> {
  try {
    yield* unpacked("gzip", createReadStream(archive));
  } catch (error) {
    throw error instanceof BangerError ? corrupt(error.message) : error;
  }
}

/** tar-stream's types do not say of what its streams are made. */
async function write(stream: AsyncIterable<unknown>, target: string): Promise<void> {
  const file = await open(target, "wx", 0o755);
  try {
    for await (const chunk of stream) if (chunk instanceof Uint8Array) await file.write(chunk);
    await file.chmod(0o755);
    await file.sync();
  } finally {
    await file.close();
  }
}

function corrupt(why: string): BangerError {
  return new BangerError("corrupt", `the archive cannot be used: ${why}`);
}
