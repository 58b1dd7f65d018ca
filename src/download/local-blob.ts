/** Blobs of this machine's own files. */
import { constants, createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import type { BlobSource } from "./fetch-blob.ts";

/** Throws not_found, and corrupt for a file of another size; also for a pipe or a device, which it does not wait for. */
export function localFile(path: string): BlobSource {
  return {
    blob: async (blob, from) => {
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
        throw new BangerError("not_found", `${path} cannot be read`, { cause });
      });
      const found = await file.stat();
      if (!found.isFile() || found.size !== blob.size) {
        await file.close();
        throw new BangerError("corrupt", `${path} has ${found.size} bytes, and should have ${blob.size}`);
      }
      return {
        start: from,
        chunks: createReadStream("", { fd: file, start: from, highWaterMark: 1024 * 1024 }),
      };
    },
  };
}
