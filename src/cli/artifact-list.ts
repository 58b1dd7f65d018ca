/** What image list and kernel list have in common: what is in the store, and what the catalog offers besides. */
import { formatBytes } from "../base/base.ts";
import type { LifecycleEvent } from "../rpc/contract.ts";
import type { Context } from "./context.ts";
import { json, toggle } from "./flags.ts";
import { escapeText } from "./output/escape.ts";
import { hintOf } from "./output/hint.ts";
import { printJson, renderTableFor } from "./output/table.ts";
import { ago } from "./output/when.ts";
import { shortId } from "./vm/list.ts";

export const artifactListFlags = {
  available: toggle("also list what the catalog offers", "a"),
  quiet: toggle("print only names", "q"),
  json: json(),
};

/** For a call's onEvent: what is left out of the list, and why. */
export function warnings(ctx: Pick<Context, "err">): (event: LifecycleEvent) => void {
  return (event) => {
    if (event.kind === "warning") ctx.err(`warning: ${escapeText(event.message)}`);
  };
}

interface Artifact {
  id: string;
  name: string;
  present: boolean;
  outdated?: boolean;
  sizeBytes: number | null;
  createdAt: string | null;
  description: string;
}

/** On fewer columns a description would be left with a word, and take the names' room for it. */
const roomForProse = 60;

/** As a table, as names or as JSON; `own` is the one column that differs between the kinds. */
export function printArtifacts<T extends Artifact>(
  ctx: Pick<Context, "out" | "note" | "style" | "today" | "tty">,
  artifacts: readonly T[],
  how: { quiet: boolean; json: boolean },
  /** `next`: what to do when there is none. */
  own: { header: string; cell: (artifact: T) => string; next: string },
): void {
  if (how.json) printJson(ctx, artifacts);
  else if (how.quiet) for (const artifact of artifacts) ctx.out(artifact.name);
  else {
    const rows = artifacts.map((artifact) => [
      artifact.name,
      artifact.present ? shortId(artifact.id) : "-",
      artifact.present ? (artifact.outdated ? "outdated" : "present") : "available",
      own.cell(artifact),
      artifact.sizeBytes === null ? "-" : formatBytes(artifact.sizeBytes),
      artifact.createdAt === null ? "-" : ago(artifact.createdAt, ctx.today()),
      artifact.description,
    ]);
    const header = ["NAME", "ID", "STATE", own.header, "SIZE", "CREATED", "DESCRIPTION"];
    const narrow = ctx.tty.size().columns < roomForProse ? [own.header, "DESCRIPTION"] : [];
    ctx.out(renderTableFor(ctx, header, rows, ["CREATED", "ID", ...narrow]));
    if (artifacts.length === 0) hintOf(ctx, own.next);
  }
}
