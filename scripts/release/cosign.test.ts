/**
 * cosign as the signer of a release. What version 2.6.5 has written is here; the program itself signs, and verifies, where
 * there is one in the PATH or at BANGER_COSIGN: `go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5`.
 */
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { writeRelease } from "./publication.ts";
import { releaseKey } from "./signing.ts";

const recorded = {
  key: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXv/aGsnZ59sMbwVhLBofdQ/7Sip9
kg3BYEWDydbLDGvF583T/OoCnW8c3ps+wRGHaLh+KF4v8vNpubp3hRIISg==
-----END PUBLIC KEY-----
`,
  text: `# banger 1.3.0 2026-11-29T00:00:00Z\n${"7".padStart(64, "0")}  banger-1.3.0-linux-amd64.tar.gz\n`,
  signature:
    "MEUCIQCwh25B4PTiNk3Zu+ao3cBfRZiyyUEGhidS8K/o73sh0wIgSlAtKEDo4RIvSbH3Ve+QUB+okdp2EuAAp9nKOjGe1UQ=",
};

test("a signature that cosign has written is good, and only for its text", () => {
  const key = signatureKey(recorded.key);
  expect(isSigned(Buffer.from(recorded.text), recorded.signature, key)).toBe(true);
  expect(isSigned(Buffer.from(recorded.text.replace("1.3.0", "1.3.1")), recorded.signature, key)).toBe(false);
});

const cosign = process.env.BANGER_COSIGN ?? Bun.which("cosign");

const name =
  "a release is signed by the cosign that is here, which holds it good itself (skipped without one)";
test.skipIf(cosign === null)(name, async () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-cosign-"));
  const run = (...args: string[]) =>
    execFileSync(String(cosign), args, {
      cwd: dir,
      env: { ...process.env, COSIGN_PASSWORD: "" },
      stdio: "pipe",
    });
  try {
    run("generate-key-pair");
    const pem = readFileSync(join(dir, "cosign.pub"), "utf8");
    const signer = `COSIGN_PASSWORD= '${cosign}' sign-blob --yes --tlog-upload=false --key '${dir}/cosign.key'`;
    const place = await writeRelease({
      ...{ out: join(dir, "out"), version: "1.3.0", date: "2026-11-29T00:00:00Z", baseUrl: undefined },
      ...{ files: new Map([["banger-1.3.0-linux-amd64.tar.gz", Buffer.from("archive")]]), installer: "" },
      key: releaseKey(pem, { signer }),
    });
    const [sums, signature] = [join(place, "SHA256SUMS"), join(place, "SHA256SUMS.sig")];
    expect(isSigned(readFileSync(sums), readFileSync(signature, "utf8"), signatureKey(pem))).toBe(true);
    const verify = ["verify-blob", "--key", "cosign.pub", "--insecure-ignore-tlog", "--signature", signature];
    run(...verify, sums);
    writeFileSync(sums, "another text\n");
    expect(() => run(...verify, sums)).toThrow();
  } finally {
    rmSync(dir, { recursive: true });
  }
});
