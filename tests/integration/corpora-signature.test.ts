/** Wycheproof's 746 cases for ECDSA on P-256 with SHA-256, held against how scripts/install.sh verifies by openssl, and how banger does. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { isSigned, signatureKey } from "../../src/download/download.ts";
import { goModule } from "./corpora-fixture.ts";
import { scriptCalling } from "./installer-fixture.ts";

const wycheproof = {
  ...{ path: "github.com/c2sp/wycheproof", version: "v0.0.0-20260902155932-3fa63dd0344a" },
  sum: "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c=",
};

const Cases = z.object({
  testGroups: z.array(
    z.object({
      publicKeyPem: z.string(),
      tests: z.array(
        z.object({
          tcId: z.number(),
          msg: z.string(),
          sig: z.string(),
          result: z.enum(["valid", "invalid"]),
        }),
      ),
    }),
  ),
});

const vectors = (name: string) => {
  const file = join(goModule(wycheproof), `testvectors_v1/${name}`);
  return Cases.parse(JSON.parse(readFileSync(file, "utf8"))).testGroups;
};

let dir: string;
let said: Map<string, boolean>;
let should: Map<string, boolean>;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-wycheproof-"));
  should = new Map();
  for (const { publicKeyPem, tests } of vectors("ecdsa_secp256r1_sha256_test.json"))
    for (const { tcId, msg, sig, result } of tests) {
      const of = join(dir, `${tcId}`);
      mkdirSync(of);
      writeFileSync(join(of, "sums"), Buffer.from(msg, "hex"));
      writeFileSync(join(of, "sums.sig"), `${Buffer.from(sig, "hex").toString("base64")}\n`);
      writeFileSync(join(of, "pem"), publicKeyPem.trim());
      should.set(`${tcId}`, result === "valid");
    }
  const script = scriptCalling(`version=0.0.0
cd "$1"
for work in *; do
  public_key=$(< "$work/pem")
  (check_signature) 2> /dev/null && echo "$work right" || echo "$work wrong"
done`);
  const { stdout } = Bun.spawnSync(["bash", "-c", script, "-", dir]);
  said = new Map(
    `${stdout}`
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0] ?? "", line.endsWith(" right")]),
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("all of them are there, good ones and bad ones", () => {
  const all = [...should.values()];
  expect([all.filter((good) => good).length, all.filter((good) => !good).length]).toEqual([174, 310]);
});

test("the good ones are right, and the bad ones refused", () => {
  const wrong = [...should].filter(([id, good]) => said.get(id) !== good).map(([id]) => id);
  expect(wrong).toEqual([]);
});

/** Ids of those of which banger says otherwise than `good` does. */
function wrongly(name: string, good: (result: string) => boolean): { asked: number; wrong: number[] } {
  const wrong: number[] = [];
  let asked = 0;
  for (const { publicKeyPem, tests } of vectors(name)) {
    const key = signatureKey(publicKeyPem);
    for (const { tcId, msg, sig, result } of tests) {
      asked += 1;
      const signature = `${Buffer.from(sig, "hex").toString("base64")}\n`;
      if (isSigned(Buffer.from(msg, "hex"), signature, key) !== good(result)) wrong.push(tcId);
    }
  }
  return { asked, wrong };
}

test("banger's own verifier says of each what it is", () => {
  const { asked, wrong } = wrongly("ecdsa_secp256r1_sha256_test.json", (result) => result === "valid");
  expect([asked, wrong]).toEqual([484, []]);
});

test("the same signatures in another form than DER are none, good or bad", () => {
  const { asked, wrong } = wrongly("ecdsa_secp256r1_sha256_p1363_test.json", () => false);
  expect([asked, wrong]).toEqual([262, []]);
});
