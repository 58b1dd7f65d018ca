/** The directory of a build, on its way into the VM that builds. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { printable } from "../../repo/repo.ts";
import { tarOfTrees } from "../../trees/trees.ts";
import type { WorkspaceSource } from "../run/workspace.ts";

/** Where it goes in the guest. */
export const contextPath = "/root/context";

/** Throws not_found, and bad_request for a directory without the file that says how to build. */
export async function openContext(
  directory: string,
  dockerfile: string,
  signal: AbortSignal,
): Promise<WorkspaceSource> {
  const shown = printable(Buffer.from(directory));
  const found = await stat(directory).catch((cause: unknown) => {
    throw new BangerError("not_found", `there is no directory ${shown}`, { cause });
  });
  if (!found.isDirectory()) throw new BangerError("bad_request", `${shown} is no directory`);
  const how = await stat(join(directory, dockerfile)).catch(() => undefined);
  if (how?.isFile() !== true) {
    throw new BangerError("bad_request", `${shown} has no ${printable(Buffer.from(dockerfile))}`, {
      hint: "the file that says how to build, in that directory: --file NAME",
    });
  }
  const tar = Readable.from(tarOfTrees([{ place: directory, name: "" }], { signal }), { objectMode: false });
  // An error before anybody reads is kept by the stream and found by its reader.
  tar.on("error", () => {});
  return {
    workspace: { guestPath: contextPath, hostPath: directory, head: "" },
    notices: [],
    ...{ missing: [], project: undefined, toolFiles: [], pinned: [] },
    tree: async () => "",
    replace: async () => ({ lost: [], removals: Buffer.alloc(0) }),
    dryRun: () => [],
    tar,
    close: () => tar.destroy(),
  };
}
