/** manifest.json as scripts/install.sh reads it, without a program that knows JSON. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bed, change, openBed, refused, scriptCalling } from "./installer-fixture.ts";

let bed: Bed;
let manifest: string;
beforeAll(async () => {
  bed = await openBed();
  manifest = join(bed.site.dir, "manifest.json");
});
beforeEach(() => bed.release("1.3.0"));
afterAll(() => bed.end());

test("the list of releases has to be JSON of its schema, which leads to https or to this machine", async () => {
  const damaged = /the list of releases is damaged/;
  const cases: [string, (text: string) => string, RegExp][] = [
    ["nothing", () => "", damaged],
    ["a page", () => "<html>Log in to the network</html>", damaged],
    ["half of it", (text) => text.slice(0, -40), damaged],
    ["more behind it", (text) => `${text}{}`, damaged],
    ["a comma too much", (text) => text.replace(/\n}$/, ",\n}"), damaged],
    ["a name twice", (text) => text.replace("{", '{ "latest_stable": "1.2.0",'), damaged],
    ["a hidden name", (text) => text.replace("schema_version", "schema\\u005fversion"), damaged],
    ["an open string", (text) => text.replace('"1.3.0"', '"1.3.0'), damaged],
    ["not ASCII", (text) => text.replace("{", '{ "é": 1,'), damaged],
    ["a mark before it", (text) => `\xef\xbb\xbf${text}`, damaged],
    ["too deep", (text) => text.replace("{", `{ "x": ${"[".repeat(9)}${"]".repeat(9)},`), damaged],
    [
      "another schema",
      (text) => text.replace('_version": 1', '_version": 2'),
      /of another age\n.*download install\.sh again/,
    ],
    ["no schema", (text) => text.replace('"schema_version": 1,', ""), /of another age/],
    ["a word for the schema", (text) => text.replace('_version": 1', '_version": "1"'), /of another age/],
    [
      "no latest",
      (text) => text.replace(/"latest_stable": "1.3.0"/, '"latest_stable": null'),
      /names no latest one/,
    ],
    [
      "a latest that is none",
      (text) => text.replace(/"latest_stable": "1.3.0"/, '"latest_stable": "../1"'),
      /names no latest one/,
    ],
    [
      "what comes before a release as the latest",
      (text) => text.replace(/"latest_stable": "1.3.0"/, '"latest_stable": "1.4.0-rc.1"'),
      /v1\.4\.0-rc\.1 as the latest, which comes before a release/,
    ],
    [
      "a latest that is not there",
      (text) => text.replace(/"latest_stable": "1.3.0"/, '"latest_stable": "1.4.0"'),
      /no release v1\.4\.0/,
    ],
    [
      "no signature",
      (text) => text.replace(/,\s*"sig": "1.3.0[^"]*"/, ""),
      /v1\.3\.0 is not signed, and is not installed/,
    ],
    ["an empty signature", (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '""'), /is not signed/],
    [
      "another's machine",
      (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"http://192.0.2.1/s"'),
      /leads to no https:\/\/ URL/,
    ],
    ["a file", (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"file:///etc/passwd"'), /leads to no https/],
    ["out of the place", (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"../s"'), /leads to no https/],
    ["an option", (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"-Kx"'), /is not to be had/],
    ["a command", (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"$(touch x)"'), /leads to no https/],
    [
      "a password",
      (text) => text.replace('"1.3.0/SHA256SUMS.sig"', '"https://me:word@192.0.2.1/s"'),
      /leads to no https/,
    ],
  ];
  for (const [name, how, says] of cases) {
    bed.release("1.3.0");
    change(manifest, how);
    await refused(bed, name, says);
  }
});

test("the list of releases may be of one line, and say more than this asks", async () => {
  change(manifest, (text) =>
    JSON.stringify({
      notes: 'a "b" \\ \n',
      list: [1, -2.5e3, [], {}, true, null, [{ a: "," }]],
      ...JSON.parse(text),
    }),
  );
  expect((await bed.person().install(["--user", "--yes"])).status).toBe(0);
});

test("releases are from https, or from this machine", async () => {
  for (const base of [
    "http://192.0.2.1",
    "http://localhost.example.org",
    "ftp://localhost",
    "https://a@b",
    "https://x/../y",
    "https:// x",
    "-x",
  ]) {
    const { status, err } = await bed.person().install(["--user", "--yes", "--base-url", base]);
    expect({ status, err }, base).toEqual({
      status: 1,
      err: expect.stringMatching(/no https:\/\/ URL|does not know where/),
    });
  }
});

test("whatever is made of a list, what is read of it is what JSON says, or nothing", () => {
  const dir = join(bed.dir, "lists");
  mkdirSync(dir);
  const whole = `{"schema_version": 1, "latest_stable": "1.3.0", "more": [1, -2.5e3, "a \\"b\\" ", [], {}, null, true],
 "releases": {"1.3.0": {"tarball": "1.3.0/t", "sums": "s", "sig": "g"}}}\n`;
  const pieces = [...'{}[],:"\\ \n\t0-.e1a', "true", '""', '"x":', "\v", "\u00a0"];
  const pick = (below: number) => Math.floor(Math.random() * below);
  const texts = Array.from({ length: 600 }, (_, n) => {
    let text = whole;
    for (let times = n % 3; times >= 0; times -= 1) {
      const [at, length] = [pick(text.length), pick(3)];
      text =
        text.slice(0, at) +
        (pick(4) === 0 ? "" : (pieces[pick(pieces.length)] ?? "")) +
        text.slice(at + length);
    }
    writeFileSync(join(dir, `${n}`), text);
    return text;
  });
  const script = scriptCalling(`export LC_ALL=C
work=$1
for ((n = 0; n < 600; n++)); do
  if flatten "$1/$n" > "$1/fields"; then echo "$(field /latest_stable) $(field /releases/1.3.0/sig)"; else echo; fi
done`);
  const { stdout } = Bun.spawnSync(["bash", "-c", script, "-", dir]);
  const lines = `${stdout}`.split("\n");
  let read = 0;
  for (const [n, text] of texts.entries()) {
    if (lines[n] === "") continue;
    read += 1;
    const { latest_stable: latest, releases } = JSON.parse(text);
    const plain = (value: unknown) => (typeof value === "string" && !value.includes("\\") ? value : "");
    expect(lines[n], text).toBe(`${plain(latest)} ${plain(releases?.["1.3.0"]?.sig)}`);
  }
  expect(read).toBeGreaterThan(50);
});
