/** With small files, and real keys. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { writeRelease, writeUnsigned } from "./publication.ts";
import { releaseKey } from "./signing.ts";

const dir = mkdtempSync(join(tmpdir(), "banger-publication-"));
afterAll(() => rmSync(dir, { recursive: true }));
const out = join(dir, "out");
beforeEach(() => rmSync(out, { recursive: true, force: true }));

function keyPair(name: string): { key: string; pem: string } {
  const key = join(dir, name);
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key]);
  return { key, pem: execFileSync("openssl", ["ec", "-in", key, "-pubout"], { stdio: "pipe" }).toString() };
}
const ours = keyPair("ours");
const other = keyPair("other");
const date = "2026-11-28T12:00:00Z";
const files = new Map([["banger-1.2.3-linux-amd64.tar.gz", Buffer.from("archive")]]);
const publication = { out, version: "1.2.3", date, baseUrl: undefined, files, installer: "#!/bin/bash\n" };
const publish = (more: object = {}) =>
  writeRelease({ ...publication, key: releaseKey(ours.pem, { key: ours.key }), ...more });

describe("a release", () => {
  test("is its files, their checksums, and a signature of these that openssl and banger hold good", async () => {
    const place = await publish();
    expect(place).toBe(join(out, "1.2.3"));
    expect(readdirSync(out).sort()).toEqual(["1.2.3", "install.sh", "manifest.json"]);
    expect(readdirSync(place).sort()).toEqual(
      [...files.keys(), "SHA256SUMS", "SHA256SUMS.sig"].sort((a, b) => (a < b ? -1 : 1)),
    );
    expect(statSync(place).mode & 0o777).toBe(0o755);
    expect(statSync(join(out, "install.sh")).mode & 0o777).toBe(0o755);
    const sums = readFileSync(join(place, "SHA256SUMS"));
    const signature = readFileSync(join(place, "SHA256SUMS.sig"), "utf8");
    expect(isSigned(sums, signature, signatureKey(ours.pem))).toBe(true);
    expect(isSigned(sums, signature, signatureKey(other.pem))).toBe(false);
    expect(JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"))).toEqual({
      schema_version: 1,
      latest_stable: "1.2.3",
      releases: {
        "1.2.3": {
          tarball: "1.2.3/banger-1.2.3-linux-amd64.tar.gz",
          sums: "1.2.3/SHA256SUMS",
          sig: "1.2.3/SHA256SUMS.sig",
          date,
        },
      },
    });
  });

  test("stands beside those before it, with whole addresses where they are known", async () => {
    await publish();
    await publish({ version: "1.3.0-rc.1", baseUrl: new URL("https://releases.example/banger/") });
    const { latest_stable, releases } = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"));
    expect(latest_stable).toBe("1.2.3");
    expect(Object.keys(releases)).toEqual(["1.3.0-rc.1", "1.2.3"]);
    expect(releases["1.3.0-rc.1"].sums).toBe("https://releases.example/banger/1.3.0-rc.1/SHA256SUMS");
  });

  test("of a version that was released is refused, and so is one beside a manifest that cannot be read", async () => {
    await publish();
    await expect(publish()).rejects.toMatchObject({ code: "already_exists" });
    rmSync(join(out, "1.2.3"), { recursive: true });
    await expect(publish()).rejects.toMatchObject({ code: "already_exists" });
    writeFileSync(join(out, "manifest.json"), '{"schema_version": 2}');
    await expect(publish({ version: "1.2.4" })).rejects.toMatchObject({ code: "corrupt" });
    expect(readdirSync(out).sort()).toEqual(["install.sh", "manifest.json"]);
  });

  test("may be signed by a command, as a key in a token is", async () => {
    const script = join(dir, "a signer");
    writeFileSync(script, `openssl dgst -sha256 -sign "$1" "$2" | base64 -w0\n`);
    const place = await publish({ key: releaseKey(ours.pem, { signer: `sh '${script}' ${ours.key}` }) });
    const signature = readFileSync(join(place, "SHA256SUMS.sig"), "utf8");
    expect(isSigned(readFileSync(join(place, "SHA256SUMS")), signature, signatureKey(ours.pem))).toBe(true);
  });

  test.each([
    ["signs with another key", `openssl dgst -sha256 -sign ${other.key}`],
    ["prints no base64", "cat"],
    ["fails", "false"],
  ])("is not there at all when the command %s", async (_, signer) => {
    const key = releaseKey(ours.pem, { signer });
    await expect(publish({ key })).rejects.toThrow();
    expect(readdirSync(out)).toEqual([]);
  });

  test("has a key: neither a placeholder nor one that others do not have", () => {
    expect(() => releaseKey("This is a placeholder.\n", { key: ours.key })).toThrow("placeholder");
    expect(() => releaseKey(ours.pem, { key: other.key })).toThrow("is not the key in");
    expect(() => releaseKey(readFileSync(ours.key, "utf8"), { key: ours.key })).toThrow();
  });
});

test("what is not signed says so in every name, and no manifest leads there", async () => {
  mkdirSync(out);
  const unsigned = { ...publication, files: new Map([["banger-UNSIGNED.tar.gz", Buffer.from("archive")]]) };
  await writeUnsigned(unsigned);
  await writeUnsigned(unsigned);
  expect(readdirSync(out)).toEqual(["1.2.3-UNSIGNED"]);
  expect(readdirSync(join(out, "1.2.3-UNSIGNED")).sort()).toEqual([
    "SHA256SUMS-UNSIGNED",
    "banger-UNSIGNED.tar.gz",
  ]);
  expect(existsSync(join(out, "manifest.json"))).toBe(false);
});
