/** vm workspace export: a guest's work tree against one of its commits, as a patch. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import type { Context } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { copyOut } from "../guest/streams.ts";
import { placeOf } from "./place.ts";
import { exportScript } from "./scripts.ts";
import { showPatch } from "./show-patch.ts";

export interface ExportRequest {
  ref: string;
  guestPath: string | undefined;
  /** Undefined: stdout. */
  output: string | undefined;
  baseCommit: string | undefined;
}

const mostPatchBytes = 4 * 1024 ** 3;

export async function exportWorkspace(ctx: Context, request: ExportRequest): Promise<void> {
  const client = await ctx.client();
  const { vm, guestPath } = await placeOf(client, request.ref, request.guestPath, ctx.signal);
  const { output, baseCommit = "HEAD" } = request;
  // The guest's git would take it for an option; its own rules see to the rest.
  if (baseCommit.startsWith("-")) throw new BangerError("bad_request", "--base-commit must not begin with -");
  const script = {
    ref: vm.id,
    script: exportScript,
    args: [guestPath, baseCommit],
    maxBytes: mostPatchBytes,
  };
  const write = (chunks: AsyncIterable<Uint8Array>) =>
    output === undefined ? showPatch(ctx, chunks) : intoFile(resolve(ctx.cwd, output), chunks);
  await guestOutput(client, script, ctx.signal, write);
  if (output !== undefined) await rename(partOf(resolve(ctx.cwd, output)), resolve(ctx.cwd, output));
}

/** Aside: a patch that is there is whole. */
async function intoFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = createWriteStream(partOf(path), { flags: "wx", mode: 0o666 });
  try {
    await copyOut(chunks, () => file);
    await new Promise<void>((done, failed) =>
      file.end((error?: Error | null) => (error ? failed(error) : done())),
    );
  } catch (error) {
    file.destroy();
    await rm(partOf(path), { force: true });
    throw new BangerError("operation_failed", `${JSON.stringify(path)} could not be written`, {
      cause: error,
    });
  }
}

function partOf(path: string): string {
  return `${path}.${process.pid}.part`;
}
