/** Finds a repository's settings: banger.toml, else what a devcontainer.json has of use. */
import { BangerError, toBangerError } from "../base/base.ts";
import { readWorkTreeFile } from "../repo/repo.ts";
import type { Project } from "./settings.ts";

export const projectFile = "banger.toml";
const devcontainerFiles = [".devcontainer/devcontainer.json", ".devcontainer.json"];
const maxBytes = 64 * 1024;

/**
 * The settings that the work tree at `root` brings; undefined when there are none. Throws bad_config and bad_repository for
 * a banger.toml that cannot be used. A devcontainer.json is others' and wrong in its own ways: one that cannot be used is
 * told of (`ignored`), and nothing of it is.
 */
export async function readProject(root: string): Promise<Project | undefined> {
  const text = readWorkTreeFile(root, projectFile, maxBytes);
  if (text !== undefined) return (await import("./banger-toml.ts")).parseBangerToml(text, projectFile);
  for (const file of devcontainerFiles) {
    const found = await readDevcontainer(root, file);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function readDevcontainer(root: string, file: string): Promise<Project | undefined> {
  try {
    const text = readWorkTreeFile(root, file, maxBytes);
    if (text === undefined) return undefined;
    return (await import("./devcontainer.ts")).parseDevcontainer(text, file);
  } catch (error) {
    if (!(error instanceof BangerError)) throw error;
    const settings = { ports: [], include: [], postCreate: [], env: {} };
    return { file, settings, ignored: [`all of it: ${toBangerError(error).message}`], placeOf: () => file };
  }
}
