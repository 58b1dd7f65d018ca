import { expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { isSigned, signatureKey } from "./signature.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
const key = signatureKey(pem);
const bytes = Buffer.from("a catalog");
const signature = sign("sha256", bytes, privateKey).toString("base64");

test("a signature holds for its bytes and its key alone", () => {
  expect(isSigned(bytes, signature, key)).toBe(true);
  expect(isSigned(bytes, `${signature}\n`, key)).toBe(true);
  expect(isSigned(Buffer.from("another"), signature, key)).toBe(false);
  const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
  expect(
    isSigned(bytes, signature, signatureKey(other.export({ type: "spki", format: "pem" }).toString())),
  ).toBe(false);
});

test.each([
  ["what is around it", `!!${signature}`],
  ["a second line", `${signature}\n${signature}\n`],
  ["a line's end of another system", `${signature}\r\n`],
  ["a space before it", ` ${signature}`],
  ["nothing", ""],
  ["half of it", signature.slice(0, 40)],
  [
    "bytes behind its end",
    Buffer.concat([Buffer.from(signature, "base64"), Buffer.alloc(1)]).toString("base64"),
  ],
  ["much", "A".repeat(1_000_000)],
])("%s is no signature", (_, text) => {
  expect(isSigned(bytes, text, key)).toBe(false);
});

test("bits that say nothing, in the padding, are another form of it", () => {
  // Of a length that has padding: that differs from one signature to the next.
  let padded = signature;
  while (!padded.endsWith("=")) padded = sign("sha256", bytes, privateKey).toString("base64");
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const last = padded.replace(/=+$/, "").length - 1;
  const other = `${padded.slice(0, last)}${letters[letters.indexOf(padded[last] ?? "") + 1]}${padded.slice(last + 1)}`;
  expect(Buffer.from(other, "base64")).toEqual(Buffer.from(padded, "base64"));
  expect([isSigned(bytes, padded, key), isSigned(bytes, other, key)]).toEqual([true, false]);
});

test("keys of other kinds are refused, and so is a private one", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  const curve = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey;
  for (const wrong of [
    "no key",
    rsa.export({ type: "spki", format: "pem" }).toString(),
    curve.export({ type: "spki", format: "pem" }).toString(),
    privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  ])
    expect(() => signatureKey(wrong)).toThrow("key");
});
