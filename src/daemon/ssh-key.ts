/** The key that opens every guest: the user's own if configured, else one that banger makes for itself. */
import { mkdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Config } from "../config/config.ts";
import type { Paths } from "../config/paths.ts";
import { atomicWrite } from "../sys/sys.ts";
import { generateKey } from "../vm/vm.ts";

export interface OwnKey {
  identityFile(): Promise<string>;
  publicKey(): Promise<string>;
}

export function ownKey(config: Config, paths: Paths): OwnKey {
  const configured = config.ssh_key_path?.replace(/^~(?=\/)/, homedir());
  const file = configured ?? join(paths.state, "ssh", "id_ed25519");
  let made: Promise<string> | undefined;
  /** One at a time, so that two VMs made at once do not make two keys. */
  const publicKey = (): Promise<string> => {
    made ??= readOrMake(file, configured === undefined);
    made.catch(() => {
      made = undefined;
    });
    return made;
  };
  return {
    publicKey,
    identityFile: async () => {
      await publicKey();
      return file;
    },
  };
}

async function readOrMake(file: string, mayMake: boolean): Promise<string> {
  try {
    return (await readFile(`${file}.pub`, "utf8")).trim();
  } catch (error) {
    if (!mayMake) {
      throw new BangerError("bad_config", `ssh_key_path: ${file}.pub cannot be read`, {
        hint: `make the public half: ssh-keygen -y -f ${file} > ${file}.pub`,
        cause: error,
      });
    }
  }
  const key = generateKey("banger");
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await atomicWrite(file, key.private, { mode: 0o600 });
  // Last, because its presence says that the pair is complete.
  await atomicWrite(`${file}.pub`, `${key.public}\n`, { mode: 0o644 });
  return key.public;
}
