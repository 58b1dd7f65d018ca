import { expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { formatKey, generateKey } from "./host-key.ts";

interface Halves {
  seed: Buffer;
  shown: Buffer;
}

/** The first key of which `fits` is true: one of 256 begins with a zero byte. */
function keyOf(fits: (halves: Halves) => boolean): Halves {
  for (;;) {
    const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
    const halves = { seed: Buffer.from(d, "base64url"), shown: Buffer.from(x, "base64url") };
    if (fits(halves)) return halves;
  }
}

test.each<[string, (halves: Halves) => boolean]>([
  ["any key", () => true],
  ["one that begins with a zero byte", ({ shown }) => shown[0] === 0],
  ["one whose secret begins with a zero byte", ({ seed }) => seed[0] === 0],
])("%s is read by OpenSSH, whatever its comment's length", (_, fits) => {
  const { seed, shown } = keyOf(fits);
  const dir = mkdtempSync(join(tmpdir(), "banger-key-"));
  try {
    for (const comment of ["", "a", "calm-otter", "x".repeat(63)]) {
      const key = formatKey(seed, shown, comment);
      const file = join(dir, `key-${comment.length}`);
      writeFileSync(file, key.private, { mode: 0o600 });
      const read = Bun.spawnSync(["ssh-keygen", "-y", "-P", "", "-f", file]);
      expect(read.stderr.toString()).toBe("");
      expect(read.stdout.toString().trim()).toBe(key.public.trim());
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a fresh key is a pair: what the one half signs the other verifies", () => {
  const key = generateKey("calm-otter");
  const parsed = ssh2.utils.parseKey(key.private);
  if (parsed instanceof Error || Array.isArray(parsed)) throw new Error("no key");
  const message = Buffer.from("message");
  const signature = parsed.sign(message);
  if (signature instanceof Error) throw signature;
  const [, blob = ""] = key.public.split(" ");
  const x = Buffer.from(blob, "base64").subarray(-32).toString("base64url");
  const shown = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  expect(verify(null, message, shown, signature)).toBe(true);
  expect(verify(null, Buffer.from("another"), shown, signature)).toBe(false);
  expect(generateKey("a").public).not.toBe(generateKey("a").public);
});
