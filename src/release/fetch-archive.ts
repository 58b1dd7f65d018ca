/** A download that is either exactly what was asked for, or none. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { BangerError } from "../base/base.ts";

export interface ArchiveRequest {
  url: string;
  sha256: string;
  maxBytes: number;
  /** A file that is made; the caller removes it, also after a failure. */
  into: string;
  signal: AbortSignal;
  /** A server that says nothing for so long has gone. */
  silenceMs?: number;
}

/** Throws unavailable when it cannot be had, corrupt when it is another one, no_space and the like as they come. */
export async function fetchArchive({
  url,
  sha256,
  maxBytes,
  into,
  signal,
  silenceMs = 30_000,
}: ArchiveRequest): Promise<void> {
  const file = await open(into, "wx", 0o600);
  const silent = new AbortController();
  const pause = setTimeout(() => silent.abort(), silenceMs);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, silent.signal]) });
    if (!response.ok) throw new BangerError("unavailable", `${url} answered with status ${response.status}`);
    const hash = createHash("sha256");
    let size = 0;
    for await (const chunk of response.body ?? []) {
      pause.refresh();
      size += chunk.length;
      if (size > maxBytes)
        throw new BangerError("corrupt", `${url} is larger than ${maxBytes} bytes: that is not the archive`);
      hash.update(chunk);
      await file.write(chunk);
    }
    const found = hash.digest("hex");
    if (found !== sha256) {
      throw new BangerError(
        "corrupt",
        `${url} has the sha256 ${found}, not ${sha256}: nothing was installed`,
        {
          hint: "try again; if it stays so, the download is not to be trusted",
        },
      );
    }
  } catch (error) {
    if (signal.aborted) throw new BangerError("cancelled", "cancelled");
    if (error instanceof BangerError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOSPC")
      throw new BangerError("no_space", "the disk is full", { cause: error });
    const why = silent.signal.aborted
      ? `nothing came for ${silenceMs / 1000} s`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new BangerError("unavailable", `${url} cannot be downloaded: ${why}`, {
      hint: "check the network; a proxy is taken from HTTPS_PROXY",
      cause: error,
    });
  } finally {
    clearTimeout(pause);
    await file.close();
  }
}
