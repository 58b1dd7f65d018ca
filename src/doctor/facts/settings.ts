/** config.toml: whether it can be used, and what it says. */
import { statSync } from "node:fs";
import { toBangerError } from "../../base/base.ts";
import { type Config, fileSyncEntries, loadConfig } from "../../config/config.ts";
import type { Place } from "../place.ts";

export interface SettingsFacts {
  path: string;
  exists: boolean;
  /** Each names its line where possible; empty when all is well. */
  problems: readonly string[];
  /** The defaults where the file cannot be used. */
  config: Config;
}

export async function readSettings({ paths }: Place): Promise<SettingsFacts> {
  const path = paths.config;
  const found = statSync(path, { throwIfNoEntry: false });
  const exists = found !== undefined;
  // Reading a FIFO would wait for somebody to write to it.
  if (found !== undefined && !found.isFile())
    return { path, exists, problems: [`${path} is no regular file`], config: loadConfig("/dev/null") };
  try {
    const config = loadConfig(path);
    fileSyncEntries(config, paths.home, path);
    return { path, exists, problems: [], config };
  } catch (error) {
    return {
      path,
      exists,
      problems: toBangerError(error).message.split("\n"),
      config: loadConfig("/dev/null"),
    };
  }
}
