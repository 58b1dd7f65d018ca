/**
 * Fresh ed25519 keys in OpenSSH's formats (its PROTOCOL.key, RFC 8709). Not by ssh2 1.17, which leaves out a leading zero
 * byte of the key: one of 128 that it makes is none, and a guest's sshd says "no hostkeys available" and ends.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";

export interface KeyPair {
  /** OpenSSH private key format. */
  private: string;
  /** One line, as in authorized_keys. */
  public: string;
}

const type = "ssh-ed25519";
/** Of the cipher "none". */
const blockBytes = 8;
const lineLength = 70;

export function generateKey(comment: string): KeyPair {
  const { x = "", d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return formatKey(Buffer.from(d, "base64url"), Buffer.from(x, "base64url"), comment);
}

/** Both halves have 32 bytes (RFC 8032). */
export function formatKey(seed: Buffer, publicKey: Buffer, comment: string): KeyPair {
  const shown = Buffer.concat([string(type), string(publicKey)]);
  // The same number twice: whoever decrypts the rest sees by it that the passphrase was right.
  const check = randomBytes(4);
  const secret = Buffer.concat([
    ...[check, check, shown],
    ...[string(Buffer.concat([seed, publicKey])), string(comment)],
  ]);
  const padding = Buffer.from(
    Array.from({ length: (blockBytes - (secret.length % blockBytes)) % blockBytes }, (_, at) => at + 1),
  );
  const file = Buffer.concat([
    ...[Buffer.from("openssh-key-v1\0"), string("none"), string("none"), string("")],
    ...[number(1), string(shown), string(Buffer.concat([secret, padding]))],
  ]);
  const lines = file.toString("base64").match(new RegExp(`.{1,${lineLength}}`, "g")) ?? [];
  return {
    private: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`,
    public: `${type} ${shown.toString("base64")} ${comment}`,
  };
}

/** RFC 4251, section 5. */
function string(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([number(bytes.length), bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
