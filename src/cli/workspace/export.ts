/** vm workspace export: a guest's work tree against one of its commits, as a patch. */
import { open, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import type { Context } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { placeOf } from "./place.ts";
import { exportScript } from "./scripts.ts";
import { mostPatchBytes, showPatch } from "./show-patch.ts";

export interface ExportRequest {
  ref: string;
  guestPath: string | undefined;
  /** Undefined: stdout. */
  output: string | undefined;
  baseCommit: string | undefined;
}

export async function exportWorkspace(ctx: Context, request: ExportRequest): Promise<void> {
  const { output, baseCommit = "HEAD" } = request;
  // The guest's git would take it for an option; its own rules see to the rest.
  if (baseCommit.startsWith("-")) throw new BangerError("bad_request", "--base-commit must not begin with -");
  const client = await ctx.client();
  const { vm, guestPath } = await placeOf(client, request.ref, request.guestPath, ctx.signal);
  const script = {
    ...{ ref: vm.id, script: exportScript, args: [guestPath, baseCommit] },
    maxBytes: mostPatchBytes,
  };
  if (output === undefined || output === "-") {
    await guestOutput(client, script, ctx.signal, (chunks) => showPatch(ctx, chunks));
    return;
  }
  const path = resolve(ctx.cwd, output);
  // Aside: a patch that is there is whole, and one that was there stays until then.
  const part = `${path}.${process.pid}.part`;
  const fail = (cause: unknown): never => {
    throw unwritable(path, cause);
  };
  const file = await open(part, "wx", 0o666).catch(fail);
  try {
    await guestOutput(client, script, ctx.signal, async (chunks) => {
      for await (const chunk of chunks) await file.appendFile(chunk).catch(fail);
    });
    await rename(part, path).catch(fail);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

function unwritable(path: string, cause: unknown): BangerError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new BangerError("operation_failed", `${JSON.stringify(path)} could not be written${why}`, { cause });
}
