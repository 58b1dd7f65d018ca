import { expect, test } from "bun:test";
import { installerText } from "./installer.ts";

const publicKey = "-----BEGIN PUBLIC KEY-----\nMFk$&\n-----END PUBLIC KEY-----\n";
const template = "base='@BASE_URL@'\nkey='@PUBLIC_KEY@'\n[[ $base != *BASE_URL* ]]\n";

test("the installer gets the key, and where releases are when that is known", () => {
  const key = `key='${publicKey.trimEnd()}'`;
  expect(installerText({ template, publicKey, baseUrl: new URL("https://r.example/it's/") })).toBe(
    `base='https://r.example/it%27s'\n${key}\n[[ $base != *BASE_URL* ]]\n`,
  );
  expect(installerText({ template, publicKey, baseUrl: undefined })).toBe(
    template.replace("key='@PUBLIC_KEY@'", () => key),
  );
});

test.each([
  ["is not there", undefined, "there is no scripts/install.sh"],
  ["has no place for the key", "echo", "0 times"],
  ["has two", `${template}${template}`, "2 times"],
])("there is no release when it %s", (_, text, why) => {
  expect(() => installerText({ template: text, publicKey, baseUrl: undefined })).toThrow(why);
});
