/** Releases of this checkout, made as maintainers make them, at two places: the same, signed, and refused where they should be. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../scripts/release/sums.ts";
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { epoch, type ReleaseBed, releaseBed } from "./release-fixture.ts";

let bed: ReleaseBed;
let places: string[];
const read = (n: number, name: string) => readFileSync(join(places[n] ?? "", name));

beforeAll(async () => {
  bed = releaseBed();
  const signer = join(bed.dir, "signer");
  writeFileSync(signer, `openssl dgst -sha256 -sign ${bed.privateKey} "$1" | base64 --wrap=0\n`);
  const to = (name: string) => [
    "--out",
    join(bed.dir, name),
    "--base-url",
    "https://releases.example/banger",
  ];
  const made = await Promise.all([
    bed.first.release("--key", bed.privateKey, ...to("out 1")),
    bed.second.release("--signer", `sh ${signer}`, ...to("out 2")),
  ]);
  for (const { status, err } of made) expect(status, err).toBe(0);
  places = made.map(({ out }) => out.trimEnd());
});
afterAll(() => bed.end());

describe("a release", () => {
  test("is the same of whichever checkout of its commit it is made, but for the signature", () => {
    const { version } = bed;
    const tarball = `banger-${version}-linux-amd64.tar.gz`;
    const same = [tarball, `banger-${version}.cdx.json`, "THIRD-PARTY-LICENSES", "SHA256SUMS"];
    expect(readdirSync(places[0] ?? "").sort()).toEqual([...same, "SHA256SUMS.sig"].sort());
    for (const name of [...same, "../manifest.json", "../install.sh"])
      expect({ name, sha256: sha256(read(0, name)) }).toEqual({ name, sha256: sha256(read(1, name)) });
  });

  test("is signed by its key, as openssl and banger see it, and its checksums hold", () => {
    const key = signatureKey(readFileSync(bed.publicKey, "utf8"));
    for (const [n, place] of places.entries()) {
      const signature = read(n, "SHA256SUMS.sig").toString();
      expect(isSigned(read(n, "SHA256SUMS"), signature, key)).toBe(true);
      writeFileSync(join(bed.dir, "der"), Buffer.from(signature, "base64"));
      const verify = [
        "dgst",
        "-sha256",
        "-verify",
        bed.publicKey,
        "-signature",
        join(bed.dir, "der"),
        "SHA256SUMS",
      ];
      expect(execFileSync("openssl", verify, { cwd: place }).toString()).toBe("Verified OK\n");
      const checked = execFileSync("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: place });
      expect(checked.toString().match(/: OK$/gm)?.length).toBe(3);
    }
    const date = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
    expect(read(0, "SHA256SUMS").toString()).toStartWith(`# banger ${bed.version}\n# date ${date}\n`);
  });

  test("holds the executable of its commit, which knows nothing of where it was built", () => {
    const tarball = join(places[0] ?? "", `banger-${bed.version}-linux-amd64.tar.gz`);
    expect(execFileSync("tar", ["-tzf", tarball]).toString()).toBe("banger\n");
    const into = join(bed.dir, "unpacked");
    mkdirSync(into);
    execFileSync("tar", ["-xzf", tarball, "-C", into]);
    const program = join(into, "banger");
    expect(statSync(program).mode & 0o777).toBe(0o755);
    const commit = bed.first.git("rev-parse", "--short=8", "HEAD").trim();
    const built = new Date(epoch * 1000).toISOString().replace(".000Z", "Z");
    expect(execFileSync(program, ["--version"]).toString()).toBe(
      `banger v${bed.version} (commit ${commit}, built ${built})\n`,
    );
    const bytes = readFileSync(program);
    expect(bytes.includes("banger-release-")).toBe(false);
    const sbom = JSON.parse(read(0, `banger-${bed.version}.cdx.json`).toString());
    expect(sbom.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: sha256(bytes) }]);
    expect(sbom.components.map((one: { name: string }) => one.name)).toContain("ssh2");
  });

  test("has an installer that knows the key and the address, and a manifest that knows the files", () => {
    expect(execFileSync("bash", [join(places[0] ?? "", "../install.sh")]).toString()).toBe(
      `https://releases.example/banger\n${readFileSync(bed.publicKey, "utf8")}`,
    );
    const { latest_stable, releases } = JSON.parse(read(0, "../manifest.json").toString());
    expect(latest_stable).toBe(bed.version);
    const base = "https://releases.example/banger/";
    for (const address of [
      releases[bed.version].tarball,
      releases[bed.version].sums,
      releases[bed.version].sig,
    ]) {
      expect(address).toStartWith(base);
      expect(existsSync(join(bed.dir, "out 1", address.slice(base.length)))).toBe(true);
    }
  });

  test("has the licences of what is linked into it", () => {
    const text = read(0, "THIRD-PARTY-LICENSES").toString();
    for (const words of ["ssh2 1.", "zod 4.", "Bun 1.", "musl-dev 1.", "GNU LIBRARY GENERAL PUBLIC LICENSE"])
      expect(text).toContain(words);
  });
});

describe("there is no release", () => {
  const withFile = (files: Record<string, string | undefined>) => () => bed.second.commit(files);
  test.each<[string, () => void, RegExp]>([
    [
      "of a version that was released",
      () => bed.second.git("tag", `v${bed.version}`, "HEAD~"),
      /was released of/,
    ],
    ["without an entry in the changelog", withFile({ "CHANGELOG.md": "## Unreleased\n" }), /no heading `## /],
    ["without an installer", withFile({ "scripts/install.sh": undefined }), /no scripts\/install\.sh/],
    [
      "while the key is a placeholder",
      withFile({ "src/release/release-key.pem": "This is a placeholder.\n" }),
      /is a placeholder.*\n.*--unsigned/,
    ],
    [
      "of a checkout with changes",
      () => writeFileSync(join(bed.second.dir, "new.txt"), ""),
      /has changes: \?\? new\.txt/,
    ],
  ])("%s", async (_, spoil, message) => {
    const { git, release } = bed.second;
    const before = git("rev-parse", "HEAD").trim();
    git("commit", "--quiet", "--allow-empty", "--message", "another");
    spoil();
    const out = join(bed.dir, "refused");
    const { status, err } = await release("--key", bed.privateKey, "--out", out);
    expect(err).toMatch(message);
    expect(status).toBe(1);
    expect(existsSync(out)).toBe(false);
    git("reset", "--quiet", "--hard", before);
    git("clean", "--quiet", "--force");
    if (git("tag") !== "") git("tag", "--delete", `v${bed.version}`);
  });

  test("by another key, without one, or in the place of an earlier one", async () => {
    const other = join(bed.dir, "other.pem");
    execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", other]);
    const out = ["--out", join(bed.dir, "out 1")];
    const { release } = bed.first;
    expect((await release("--key", other, ...out)).err).toContain("is not the key in");
    expect((await release(...out)).err).toMatch(/how is it signed\?.*--unsigned/);
    const again = await release("--key", bed.privateKey, ...out);
    expect(again).toMatchObject({ status: 1, out: "" });
    expect(again.err).toMatch(/was released\n.*never used again/);
  });
});
