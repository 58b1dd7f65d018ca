/** vm workspace export: a guest's work tree against one of its commits, as a patch. */
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import { asideName, removeAbandoned } from "../../trees/trees.ts";
import type { Context } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { escapeLine } from "../output/escape.ts";
import { followWork } from "./follow.ts";
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
  let empty = true;
  const toTerminal = ctx.tty.stdout && (output === undefined || output === "-");
  const following = followWork(ctx, { shown: toTerminal });
  const looked = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of following.counted(chunks)) {
      empty &&= chunk.length === 0;
      yield chunk;
    }
  };
  try {
    if (output === undefined || output === "-")
      await guestOutput(client, script, ctx.signal, (chunks) => showPatch(ctx, looked(chunks)));
    else
      await intoFile(resolve(ctx.cwd, output), (write) =>
        guestOutput(client, script, ctx.signal, async (chunks) => {
          for await (const chunk of looked(chunks)) await write(chunk);
        }),
      );
  } finally {
    following.end();
  }
  if (!empty) return;
  const more = request.baseCommit === undefined ? `; its commits are in: banger vm diff ${vm.name}` : "";
  ctx.note(`${vm.name} has nothing that is not in its ${escapeLine(baseCommit)}${more}`);
}

/** What `fill` writes, as a file: a patch that is there is whole, and one that was there stays until then. */
async function intoFile(
  path: string,
  fill: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const fail = (cause: unknown): never => {
    throw unwritable(path, cause);
  };
  const found = await stat(path).catch(() => undefined);
  // What is no file, /dev/null or a pipe, is written to, and not replaced; a link stays one.
  const isFile = found === undefined || found.isFile();
  const target = found === undefined ? path : await realpath(path).catch(fail);
  if (isFile) removeAbandoned(dirname(target));
  const part = isFile ? join(dirname(target), asideName()) : target;
  const file = await open(part, isFile ? "wx" : "w", 0o666).catch(fail);
  try {
    await fill((chunk) => file.appendFile(chunk).catch(fail));
    if (isFile) await rename(part, target).catch(fail);
  } catch (error) {
    if (isFile) await rm(part, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

function unwritable(path: string, cause: unknown): BangerError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new BangerError("operation_failed", `${JSON.stringify(path)} could not be written${why}`, { cause });
}
