/** The command line of `npm run release`. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BangerError } from "../../src/base/base.ts";
import { parseBaseUrl } from "../publish/base-url.ts";
import type { SignBy } from "./signing.ts";

export interface ReleaseOptions {
  out: string;
  /** Undefined: what is made is no release, and its files say so. */
  signBy: SignBy | undefined;
  /** Where `out` will be served, with a slash at its end. Undefined: addresses in the manifest are relative. */
  baseUrl: URL | undefined;
  arch: "amd64" | "arm64";
}

export const usage = `npm run release -- --key FILE [OPTION ...]

  --key FILE         private key (PEM, P-256) that signs the release
  --signer COMMAND   signs instead: it gets a file's path as its last argument, and prints the signature in base64
  --base-url URL     where what is in DIR will be served, for manifest.json and install.sh
  --out DIR          where the release goes, beside those before it (default: build/release)
  --unsigned         without a signature: for trying it; files are named *-UNSIGNED, and none is an update for anybody
  --arch ARCH        amd64, or arm64 with --compile-only (default: amd64)
  --compile-only     only the executable, to see that it can be made; nothing is packed`;

/** Undefined when help was asked for. Throws usage. */
export function parseOptions(argv: readonly string[]): ReleaseOptions | undefined {
  const values = parsed(argv);
  if (values.help === true) return undefined;
  const { key, signer, arch, unsigned = false } = values;
  if (arch !== "amd64" && arch !== "arm64") throw wrong("--arch must be amd64 or arm64");
  const compileOnly = values["compile-only"] === true;
  if (compileOnly !== (arch === "arm64"))
    throw wrong("--compile-only goes with --arch arm64, which is no platform of releases yet");
  const given = [key !== undefined, signer !== undefined, unsigned || compileOnly].filter(Boolean).length;
  if (given === 0)
    throw wrong("how is it signed? --key FILE, or --signer COMMAND; to try it out: --unsigned");
  if (given > 1)
    throw wrong("--key, --signer and --unsigned exclude each other, and --compile-only all of them");
  return {
    ...{ out: resolve(values.out), arch },
    signBy: key !== undefined ? { key: resolve(key) } : signer !== undefined ? { signer } : undefined,
    baseUrl: values["base-url"] === undefined ? undefined : baseUrl(values["base-url"]),
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const toggle = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ...{ out: { ...text, default: "build/release" }, key: text, signer: text, "base-url": text },
        ...{ unsigned: toggle, arch: { ...text, default: "amd64" }, "compile-only": toggle },
        help: { ...toggle, short: "h" },
      },
    }).values;
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function baseUrl(text: string): URL {
  const url = parseBaseUrl(text);
  if (url !== undefined) return url;
  throw wrong(
    "--base-url must be a https address (http only for this machine): banger downloads from no others",
  );
}

function wrong(message: string): BangerError {
  return new BangerError("usage", message, { hint: "see --help" });
}
