/** What somebody could serve in place of a release: each is refused, nothing of it is run, and nothing of it is left. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { toBangerError } from "../base/base.ts";
import { tarHeader } from "../tar/tar.ts";
import { Bed, date, only, refused } from "./testing/bed.ts";

let bed: Bed;
beforeEach(() => {
  bed = new Bed();
});
afterEach(() => bed.end());

const tarballOf = (version: string) => `${version}/banger-${version}-linux-amd64.tar.gz`;

test("without an attack the update goes through", async () => {
  expect((await bed.update()).outcome).toBe("updated");
  expect(bed.state()).toEqual(only("1.3.0"));
});

describe("rollback:", () => {
  test("an older version than the installed one as the latest", async () => {
    bed.install("1.3.0");
    bed.manifest.latest_stable = "1.2.0";
    const outcome = bed.update();
    await expect(outcome).rejects.toMatchObject({
      code: "denied",
      message: "v1.3.0 is installed, which is newer than the latest release, v1.2.0",
      hint: "if you want the older one, say so: --to v1.2.0",
    });
    expect(bed.runs).toBe("1.3.0-01234567");
  });

  test("an older version under the name and address of a newer one", async () => {
    bed.serve("1.4.0", bed.of("1.2.0"));
    bed.manifest.latest_stable = "1.4.0";
    await refused(bed, /gave what was signed for v1\.2\.0, not for v1\.4\.0: nothing was installed/);
  });

  test("an older list after a newer one was seen, though both are newer than what is installed", async () => {
    bed.release("1.4.0", { date: "2026-11-25T10:00:00Z" });
    await bed.update({ check: true });
    bed.manifest.latest_stable = "1.3.0";
    await refused(
      bed,
      /the list of releases is an old one: it offers v1\.3\.0 .* v1\.4\.0 of 2026-11-25T10:00:00Z was seen/,
    );
    await refused(bed, /old one/, { check: true });
    expect((await bed.update({ to: "1.3.0" })).outcome).toBe("updated");
  });

  test("the same version, signed another time with another date", async () => {
    await bed.update({ check: true });
    bed.release("1.3.0", { date: "2026-11-19T10:00:00Z" });
    await refused(bed, /is an old one/);
  });

  test("a higher version that was signed before the one that was seen", async () => {
    await bed.update({ check: true });
    bed.release("1.9.0", { date: "2025-01-01T00:00:00Z" });
    await refused(bed, /is an old one/);
  });
});

describe("freeze:", () => {
  test("an old list that was never seen to be newer is shown with its date, which is signed", async () => {
    const { date } = await bed.update({ check: true });
    expect(date).toBe("2026-11-20T10:00:00Z");
  });

  test("a date in the future is told, because it is the clock that is wrong", async () => {
    await bed.update({ check: true }, { now: () => new Date("1970-01-02T00:00:00Z") });
    expect(bed.said).toEqual([
      "warning: v1.3.0 was signed on 2026-11-20T10:00:00Z: is the clock of this machine right?",
    ]);
  });
});

describe("mix:", () => {
  test("the tarball of one release with the checksums of another", async () => {
    bed.files.set(tarballOf("1.3.0"), bed.of("1.2.0").tarball);
    await refused(bed, /the tarball of v1\.3\.0 is not the one that was signed/);
  });

  test("the checksums of one with the signature of another, both right in themselves", async () => {
    bed.files.set("1.3.0/SHA256SUMS.sig", bed.of("1.2.0").sig);
    await refused(bed, /the signature of v1\.3\.0 is not right: nothing was installed/);
  });

  test("something else that the same key has signed", async () => {
    const text = Buffer.from("# a catalog of images\n");
    const sig = sign("sha256", text, bed.keys.privateKey).toString("base64");
    bed.serve("1.3.0", { ...bed.of("1.3.0"), sums: text, sig: Buffer.from(sig) });
    await refused(bed, /do not begin with the version that they are of/);
  });

  test("a tarball that was changed in one byte, at its length", async () => {
    const { tarball } = bed.of("1.3.0");
    tarball[tarball.length - 9] = (tarball[tarball.length - 9] ?? 0) ^ 1;
    await refused(bed, /the tarball of v1\.3\.0 is not the one that was signed/);
  });

  test("the program of another version, signed as this one", async () => {
    bed.release("1.3.0", { program: bed.script("1.3.0", { says: "1.2.9" }) });
    const error = bed.update().catch(toBangerError);
    expect((await error) as Error).toMatchObject({
      message: "the program of v1.3.0 says that it is v1.2.9: nothing was installed",
    });
    expect(bed.state()).toMatchObject({ current: only("1.2.0").current, versions: only("1.2.0").versions });
  });
});

describe("a signed program, if its maker was careless, that", () => {
  const says = (line: string) => `#!/bin/sh\necho '${line}'\n`;
  test.each([
    `banger v1.3.0 (commit ../../../x, built ${date})`,
    `banger v1.3.0 (commit /x, built ${date})`,
    `banger v1.3.0 (commit .., built ${date})`,
    `banger v../1.3.0 (commit x, built ${date})`,
    `banger v1.3.0 (commit ${"x".repeat(300)}, built ${date})`,
  ])("says %p is not what its directory is named by", async (line) => {
    bed.release("1.3.0", { program: says(line) });
    await expect(bed.update()).rejects.toMatchObject({
      code: "corrupt",
      message: expect.stringContaining("does not run here: says"),
    });
    expect(bed.state()).toMatchObject({ ...only("1.2.0"), kept: [] });
  });
});

describe("endless data:", () => {
  /** Never ends, and sends no length. */
  const endless = () =>
    new Response(new ReadableStream({ pull: (to) => void to.enqueue(new Uint8Array(65536)) }));
  test.each([
    ["the list of releases", "manifest.json", /larger than 1048576 bytes/],
    ["the checksums", "1.3.0/SHA256SUMS", /larger than 16384 bytes/],
    ["the signature", "1.3.0/SHA256SUMS.sig", /larger than 1024 bytes/],
    ["the tarball", tarballOf("1.3.0"), /does not say how large v1\.3\.0 is/],
  ])("of %s", async (_, path, why) => {
    bed.files.set(path, endless);
    await refused(bed, why);
  });

  test("a tarball that is said to be larger than any", async () => {
    const server = createServer((_, response) =>
      response.writeHead(200, { "content-length": 257 * 1024 ** 2 }).write("x"),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    bed.manifest.releases["1.3.0"] = {
      ...bed.manifest.releases["1.3.0"],
      tarball: `http://127.0.0.1:${port}/t`,
    };
    await refused(bed, /and may have 256M at most/);
    server.closeAllConnections();
    server.close();
  });

  test("an archive of a few bytes that would unpack to gigabytes", async () => {
    const header = tarHeader({
      ...{ path: Buffer.from("banger"), kind: "file", mode: 0o755, size: 2 * 1024 ** 3, mtimeS: 0 },
    });
    bed.release("1.3.0", { tarball: gzipSync(Buffer.concat([header, Buffer.alloc(1024)])) });
    await refused(bed, /the archive cannot be used: it is larger unpacked than any of its kind/);
  });
});

describe("the key:", () => {
  const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" });

  test("another one has signed", async () => {
    bed.release("1.3.0", { key: other.privateKey });
    await refused(bed, /the signature of v1\.3\.0 is not right/);
  });

  test("no signature, one that says nothing, and one that is not there", async () => {
    bed.files.set("1.3.0/SHA256SUMS.sig", Buffer.alloc(0));
    await refused(bed, /is not right/);
    bed.files.set("1.3.0/SHA256SUMS.sig", Buffer.from("\n"));
    await refused(bed, /is not right/);
    bed.files.delete("1.3.0/SHA256SUMS.sig");
    await refused(bed, /there is no .*SHA256SUMS\.sig/);
    bed.manifest.releases["1.3.0"] = { tarball: "t", sums: "s" };
    await refused(bed, /is no list of releases: releases\.1\.3\.0\.sig/);
  });
});

describe("the list of releases, which is not signed:", () => {
  const list = (text: string | Buffer) => void bed.files.set("manifest.json", Buffer.from(text));
  const mutated = (change: object) => JSON.stringify({ ...bed.manifest, ...change });
  test("of a later schema", async () => {
    list(mutated({ schema_version: 2 }));
    await refused(bed, /is for a newer banger than this one/);
  });

  test.each([
    ["no JSON", () => "{"],
    ["nothing", () => ""],
    ["a byte order mark", () => `\ufeff${mutated({})}`],
    ["no UTF-8", () => Buffer.from([0x22, 0xff, 0x22])],
    ["an array", () => "[]"],
    ["a path for a version", () => mutated({ latest_stable: "../../etc" })],
    ["a version with a line's end", () => mutated({ latest_stable: "1.3.0\n" })],
    ["a name of Object's for a version", () => mutated({ latest_stable: "constructor" })],
    ["an address that is none", () => mutated({ releases: { "1.3.0": { tarball: 1, sums: "", sig: "" } } })],
  ])("%s", async (_, text) => {
    list(text());
    await refused(bed, /is no list of releases/);
  });

  test.each([
    ["a file of this machine", "file:///etc/passwd", /only https is/],
    ["plain http elsewhere", "http://192.0.2.1/SHA256SUMS", /only https is/],
    ["an address with a password", "https://a:b@192.0.2.1/", /password/],
  ])("leads to %s", async (_, address, why) => {
    bed.manifest.releases["1.3.0"] = { ...bed.manifest.releases["1.3.0"], sums: address };
    await refused(bed, why);
  });

  test("names one before a release as the latest, which is not remembered either", async () => {
    bed.release("9.0.0-rc.1");
    await refused(bed, /names v9\.0\.0-rc\.1 as the latest, which comes before a release/);
    await refused(bed, /comes before a release/, { check: true });
    expect(existsSync(join(bed.updates, "seen.json"))).toBe(false);
    expect((await bed.update({ to: "9.0.0-rc.1" })).outcome).toBe("updated");
  });

  test("names a latest one that it has not", async () => {
    list(mutated({ latest_stable: "1.7.0" }));
    await refused(bed, /there is no release v1\.7\.0/);
  });
});

test("what was seen before cannot be read: that is said, and not taken for nothing", async () => {
  mkdirSync(bed.updates);
  writeFileSync(join(bed.updates, "seen.json"), "{");
  await expect(bed.update()).rejects.toThrow("seen.json cannot be read");
});

test("a signed text is of its bytes: the checksum of each file of the attacks above was made for it", () => {
  const { tarball, sums } = bed.of("1.3.0");
  expect(sums.toString()).toBe(
    `# banger 1.3.0\n# date ${date}\n${createHash("sha256").update(tarball).digest("hex")}  banger-1.3.0-linux-amd64.tar.gz\n`,
  );
});
