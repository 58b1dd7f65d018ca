/** Where a guest's sshd is, what its key must be, and with what one gets in. */
import type { Duplex } from "node:stream";
import { BangerError } from "../base/base.ts";

export interface SshTarget {
  user: string;
  /** A fresh byte stream to the guest's sshd. */
  dial(signal: AbortSignal): Promise<Duplex>;
  /** The host key that banger gave the guest, as in a .pub file. No other one is talked to. */
  hostKey(): Promise<string>;
  /** A private key that opens the guest, in OpenSSH's format. */
  privateKey(): Promise<string>;
}

export interface PinnedKey {
  /** The only kind of host key that is negotiated: sshd has others, of which banger knows nothing. */
  type: "ssh-ed25519";
  /** As it is on the wire. */
  blob: Buffer;
}

/** Throws corrupt for anything but one ed25519 key. */
export function pinnedKey(line: string): PinnedKey {
  const [type, text = ""] = line.trim().split(" ");
  const blob = Buffer.from(text, "base64");
  if (type !== "ssh-ed25519" || blob.toString("base64") !== text || blob.length !== ed25519Bytes) {
    throw new BangerError("corrupt", "the VM's record of its host key cannot be read", {
      hint: "make a new VM: banger vm create",
    });
  }
  return { type, blob };
}

/** Two strings with their lengths: the type's 11 bytes, the key's 32 (RFC 8709, 4). */
const ed25519Bytes = 4 + 11 + 4 + 32;
