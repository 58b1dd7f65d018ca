/**
 * The project room: what a repository asks for of its VM.
 *
 * Owns banger.toml, what banger takes of a devcontainer.json, and the first text of a banger.toml for a repository.
 * Promises: settings are either wholly valid or refused with every problem named; a repository is hostile, so what it can
 * ask for is bounded, names nothing of the host but ports of its loopback, and is never run here. Reads the work tree by
 * the repo room alone; writes nothing, and loads a parser only when there is something to parse.
 */
export { hostLimits, type Limits, refuseExcess } from "./limits.ts";
export { type PinnedTool, pinnedTools } from "./pinned-tools.ts";
export { projectFile, readProject } from "./read-project.ts";
export type { PortForward, PostCreate, Project, ProjectSettings } from "./settings.ts";
export { summaryOf } from "./summary.ts";

/** The text of a new banger.toml for the work tree at `root`. */
export async function initialText(root: string): Promise<string> {
  return (await import("./initial-text.ts")).initialText(root);
}
