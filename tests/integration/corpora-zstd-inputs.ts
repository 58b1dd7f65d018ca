/** All that klauspost's zstd decoder is tested with, as files; and what zstd(1) makes of files. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { goModule, unzip } from "./corpora-fixture.ts";

const compress = {
  ...{ path: "github.com/klauspost/compress", version: "v1.20.3" },
  sum: "h1:zWNoFqq/lSuYQRim3dUXlXeA0IqwuZGicdG5ZTfY5j4=",
};

/**
 * How many files each archive has. Not among them are those that feed its compressor (encode-corpus-*, comp-crashers), and
 * those of its inner parts, which are no streams (seqs).
 */
export const zips: Record<string, number> = {
  ...{ bad: 44, good: 23, decoder: 188, large: 4, benchdecoder: 12, regression: 36, "decode-regression": 1 },
  ...{ headers: 7797, "dict-tests-small": 45, "fuzz/decode-corpus-raw": 8002 },
  ...{ "fuzz/decode-corpus-encoded": 1185, "fuzz/decode-oss": 3 },
};

/** Name, with its archive's, to path. */
export function zstdInputs(dir: string): Map<string, string> {
  const testdata = join(goModule(compress), "zstd/testdata");
  const inputs = new Map<string, string>();
  for (const zip of Object.keys(zips)) {
    const into = join(dir, zip);
    unzip(join(testdata, `${zip}.zip`), into);
    for (const name of readdirSync(into, { recursive: true, encoding: "utf8" })) {
      const path = join(into, name);
      if (!statSync(path).isFile()) continue;
      const input = inputOf(readFileSync(path), zip);
      if (input !== undefined) writeFileSync(path, input);
      inputs.set(`${zip}/${name}`, path);
    }
  }
  return inputs;
}

/** As klauspost's own tests read them; undefined for those that are what they are. */
function inputOf(file: Buffer, zip: string): Buffer | undefined {
  if (file.toString("latin1", 0, 12) === "go test fuzz") return goLiteral(file);
  // OSS-Fuzz's have their length before them.
  if (zip.endsWith("-oss")) return file.subarray(4, 4 + file.readUInt32BE());
  return undefined;
}

const simple: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, "\\": 92 };

/** A corpus file of `go test`: its version, and one `[]byte("...")`, an interpreted string literal of Go's. */
function goLiteral(text: Buffer): Buffer {
  const literal = /^go test fuzz v1\n\[\]byte\("(.*)"\)\n$/s.exec(text.toString("latin1"))?.[1];
  if (literal === undefined) throw new Error(`no corpus file: ${text.toString("latin1", 0, 40)}`);
  const bytes = literal.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))/gs,
    (_, byte?: string, short?: string, long?: string, one = "") => {
      if (byte !== undefined) return String.fromCharCode(Number.parseInt(byte, 16));
      const code = short ?? long;
      if (code !== undefined)
        return Buffer.from(String.fromCodePoint(Number.parseInt(code, 16))).toString("latin1");
      const value = simple[one];
      if (value === undefined) throw new Error(`no escape of Go's: \\${one}`);
      return String.fromCharCode(value);
    },
  );
  return Buffer.from(bytes, "latin1");
}

/** By zstd(1), as many as there are at once: undefined for what it refuses. */
export function byZstd(dir: string, paths: readonly string[]): (Buffer | undefined)[] {
  const [from, into] = [join(dir, "from"), join(dir, "into")];
  for (const each of [from, into]) mkdirSync(each);
  for (const [n, path] of paths.entries()) linkSync(path, join(from, `${n}.zst`));
  const all = paths.map((_, n) => join(from, `${n}.zst`));
  const run = spawnSync("zstd", ["-dq", "--memory=128MB", "--output-dir-flat", into, ...all], {
    stdio: "ignore",
  });
  if (run.error !== undefined) throw run.error;
  const found = paths.map((_, n) => {
    const path = join(into, String(n));
    return existsSync(path) ? readFileSync(path) : undefined;
  });
  for (const each of [from, into]) rmSync(each, { recursive: true });
  return found;
}
