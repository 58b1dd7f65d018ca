/** What `banger ssh-config` has written: which banger and which daemon's keys it leads to. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { userPaths } from "../../config/paths.ts";
import type { Place } from "../place.ts";

export interface SshConfigFacts {
  path: string;
  exists: boolean;
  /** The banger that connects; undefined where the file does not say. */
  program: string | undefined;
  programThere: boolean;
  knownHosts: string | undefined;
}

export async function lookAtSshConfig({ env, paths }: Place): Promise<SshConfigFacts> {
  const path = join(dirname(configFile(env) ?? paths.config), "ssh_config");
  const text = await readFile(path, "utf8").catch(() => undefined);
  const program = /^ *ProxyCommand '((?:[^']|'\\'')+)' /m.exec(text ?? "")?.[1]?.replaceAll("'\\''", "'");
  const knownHosts = /^ *UserKnownHostsFile "([^"]+)"$/m.exec(text ?? "")?.[1]?.replaceAll("\\\\", "\\");
  const plain = (value: string | undefined) => value?.replaceAll("%%", "%");
  const there = plain(program);
  return {
    ...{ path, exists: text !== undefined, program: there, knownHosts: plain(knownHosts) },
    programThere: there !== undefined && existsSync(there),
  };
}

/** Undefined where the environment says nothing usable, which another check tells. */
function configFile(env: Place["env"]): string | undefined {
  try {
    return userPaths(env).config;
  } catch {
    return undefined;
  }
}
