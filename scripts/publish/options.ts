/** The command line of both scripts. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BangerError } from "../../src/base/base.ts";
import { ArtifactName } from "../../src/catalog/catalog.ts";
import { parseBaseUrl } from "./base-url.ts";

export interface PublishOptions {
  /** In the store of this machine, or in a catalog that it knows. */
  name: string;
  to: string;
  rclone: boolean;
  /** Where what is put there will be served, with a slash at its end; undefined: beside the catalog. */
  url: URL | undefined;
  catalog: string;
  signKey: string | undefined;
  /** zstd's. */
  level: number;
  description: string | undefined;
  /** The program whose store it is. */
  banger: string;
}

export function usage(word: "image" | "kernel"): string {
  return `npm run publish:${word} -- NAME --to TARGET --catalog FILE [OPTION ...]

  NAME               ${word} in the store of this machine; one that is only in a catalog is pulled first
  --to TARGET        where the bundle goes: a directory, or HOST:PATH for rsync
  --rclone           TARGET is REMOTE:PATH of rclone
  --url BASE         where TARGET's files are served: asked whether the bundle is there (default: beside the catalog)
  --catalog FILE     catalog to write it into, made when it is not there; or banger's own images/*.json
  --sign-key KEY     private key (PEM, P-256) that signs the catalog: FILE.sig
  --description TEXT what lists say of it (default: what the catalog says already, else what the store says)
  --level N          of zstd, 1 to 19 (default: 19)
  --banger PROGRAM   whose store it is (default: this checkout's dist/banger)`;
}

/** Undefined when help was asked for. Throws usage. */
export function parseOptions(argv: readonly string[]): PublishOptions | undefined {
  const { values, positionals } = parsed(argv);
  if (values.help === true) return undefined;
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw wrong("exactly one NAME is asked for");
  if (!ArtifactName.safeParse(name).success) throw wrong(`${JSON.stringify(name)} is no name of an artifact`);
  const { to, catalog, description } = values;
  if (to === undefined || to === "") throw wrong("--to is missing: where the bundle goes");
  if (catalog === undefined || catalog === "")
    throw wrong("--catalog is missing: the file that will list it");
  const level = Number(values.level);
  if (!Number.isInteger(level) || level < 1 || level > 19)
    throw wrong("--level must be a whole number from 1 to 19");
  // As the catalog's schema has it; found out before minutes of packing.
  if (description !== undefined && description.length > 200)
    throw wrong("--description has more than 200 characters");
  const signKey = values["sign-key"];
  return {
    ...{ name, to, level, description, rclone: values.rclone === true },
    url: values.url === undefined ? undefined : baseUrl(values.url),
    catalog: resolve(catalog),
    signKey: signKey === undefined ? undefined : resolve(signKey),
    banger: values.banger ?? resolve(import.meta.dir, "../../dist/banger"),
  };
}

function parsed(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const toggle = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...{ to: text, rclone: toggle, url: text, catalog: text, "sign-key": text, description: text },
        ...{ level: { ...text, default: "19" }, banger: text, help: { ...toggle, short: "h" } },
      },
    });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

function baseUrl(text: string): URL {
  const url = parseBaseUrl(text);
  if (url !== undefined) return url;
  throw wrong("--url must be a https address (http only for this machine): banger asks no others");
}

function wrong(message: string): BangerError {
  return new BangerError("usage", message, { hint: "see --help" });
}
