/** `npm run release`: the release of this checkout's commit, signed, beside those before it. docs/release-process.md has the order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runScript } from "./publish/script.ts";
import { addressPath, addressWarning } from "./release/address.ts";
import { crossCompile } from "./release/cross.ts";
import { installerPath, installerText } from "./release/installer.ts";
import { parseOptions, type ReleaseOptions, usage } from "./release/options.ts";
import { buildPayload } from "./release/payload.ts";
import { checkPlace, writeRelease, writeUnsigned } from "./release/publication.ts";
import { keyPath, releaseKey, type SignBy } from "./release/signing.ts";
import { checkReleasable, openSource, type Source } from "./release/source.ts";

await runScript("release", usage, parseOptions, async (options) => {
  const source = openSource(join(import.meta.dir, ".."));
  const work = mkdtempSync(join(tmpdir(), "banger-release-"));
  // What an interrupted build leaves is half a gigabyte.
  process.once("exit", () => rmSync(work, { recursive: true, force: true }));
  for (const [signal, status] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const])
    process.once(signal, () => process.exit(status));
  process.stdout.write(`${await make(source, options, join(work, "source"))}\n`);
});

/** Where it is. */
async function make(source: Source, options: ReleaseOptions, dir: string): Promise<string> {
  const { out, signBy, arch } = options;
  const publication = { ...options, version: source.version, date: source.date };
  if (arch === "arm64") return crossCompile(source, dir, out);
  if (signBy === undefined)
    return writeUnsigned({ ...publication, files: buildPayload(source, dir, "-UNSIGNED") });
  const { key, installer } = beforehand(source, options, signBy);
  checkPlace(publication);
  const warning = options.baseUrl && addressWarning(source.read(addressPath), options.baseUrl);
  if (warning !== undefined) process.stderr.write(`release: ${warning}\n`);
  const place = await writeRelease({ ...publication, files: buildPayload(source, dir), key, installer });
  if (options.baseUrl === undefined)
    process.stderr.write("release: without --base-url, install.sh has to be told where releases are\n");
  return place;
}

/** What can be found out before minutes of building. */
function beforehand(source: Source, { baseUrl }: ReleaseOptions, signBy: SignBy) {
  checkReleasable(source);
  const key = releaseKey(source.read(keyPath) ?? "", signBy);
  const template = source.read(installerPath);
  return { key, installer: installerText({ template, publicKey: key.pem, baseUrl }) };
}
