/** What makes a guest this VM and no other: ssh host key, machine id, the files personalise writes. */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { VmName } from "../base/base.ts";
import type { GuestFile, Personality } from "../guest/guest.ts";
import type { VmRecord } from "../state/state.ts";
import type { Network } from "./devices.ts";
import type { KeyPair } from "./host-key.ts";
import type { VmFiles } from "./layout.ts";

/** The name under which a VM's host key is pinned. */
export function hostAlias(name: VmName): string {
  return `${name}.vm`;
}

export async function writeHostKey(files: VmFiles, name: VmName, key: KeyPair): Promise<void> {
  await writeFile(files.hostKey, key.private, { mode: 0o600 });
  await writeFile(files.hostKeyPublic, `${key.public}\n`, { mode: 0o644 });
  await writeFile(files.knownHosts, `${hostAlias(name)} ${key.public}\n`, { mode: 0o600 });
}

export interface PersonalityInput {
  vm: VmRecord;
  files: VmFiles;
  /** Public keys that may log in as root. */
  authorizedKeys: readonly string[];
  network: Network | null;
}

export async function personality(input: PersonalityInput): Promise<Personality> {
  const { vm, files, network } = input;
  const text = (path: string, content: string, mode = 0o644): GuestFile => ({
    path,
    mode,
    content: Buffer.from(content),
  });
  const hostname = vm.name;
  return {
    hostname,
    machineId: vm.machineId,
    ...(network === null
      ? {}
      : {
          network: {
            ...{ address: network.address, prefix: network.prefix, gateway: network.gateway },
            // A device that was saved with the guest of a template has that one's.
            ...(network.link === null ? {} : { mac: network.link.mac }),
          },
        }),
    files: [
      text("/etc/hostname", `${hostname}\n`),
      text(
        "/etc/hosts",
        `127.0.0.1 localhost\n127.0.1.1 ${hostname}.vm ${hostname}\n::1 localhost ip6-localhost ip6-loopback\n`,
      ),
      text(
        "/etc/resolv.conf",
        // Without NAT the guest has no way to a name server, and resolv.conf says so.
        vm.spec.nat && network !== null
          ? `nameserver ${network.dns}\n`
          : "# no network: this VM was made without --nat\n",
      ),
      text("/etc/ssh/sshd_config.d/99-banger.conf", sshdConfig),
      text("/etc/ssh/ssh_host_ed25519_key", await readFile(files.hostKey, "utf8"), 0o600),
      text("/etc/ssh/ssh_host_ed25519_key.pub", await readFile(files.hostKeyPublic, "utf8")),
      text("/root/.ssh/authorized_keys", input.authorizedKeys.map((key) => `${key}\n`).join(""), 0o600),
    ],
    clock: "host",
    entropy: randomBytes(64),
  };
}

/** Key-only root login, nothing else. StrictModes stays at its default: on. */
const sshdConfig = `# Written by banger at each start.
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile /root/.ssh/authorized_keys
`;
