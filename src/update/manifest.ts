/**
 * manifest.json: which releases there are, and where. It is not signed, and so nothing else is taken from it: what it leads to
 * has to be signed, for the version that was asked for.
 */
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { Version } from "./versions.ts";

/** Whole, or relative to where the manifest is. */
export const address = z.string().min(1).max(2048);

/** In bytes, at most. */
export const maxManifest = 1024 * 1024;

/** Fields that are not known here may be a later banger's. */
const Manifest = z.object({
  schema_version: z.literal(1),
  /** Null while there were only versions before a first one. */
  latest_stable: Version.nullable(),
  releases: z.record(Version, z.object({ tarball: address, sums: address, sig: address })),
});
export type Manifest = z.infer<typeof Manifest>;

/** Throws corrupt for what is none; bad_version for one of a later schema. */
export function readManifest(bytes: Uint8Array, url: string): Manifest {
  const wrong = (why: string) =>
    new BangerError("corrupt", `${url} is no list of releases: ${why}`, { hint: "try again later" });
  let value: unknown;
  try {
    // A byte order mark is not taken away: JSON has none.
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw wrong("it is no JSON");
  }
  const schema = z.object({ schema_version: z.number() }).safeParse(value);
  if (schema.success && schema.data.schema_version > 1) {
    throw new BangerError("bad_version", `${url} is for a newer banger than this one`, {
      hint: "install the latest one by its install.sh",
    });
  }
  const parsed = Manifest.safeParse(value);
  if (!parsed.success) {
    const { path: at = [], message } = parsed.error.issues[0] ?? { message: "unknown" };
    throw wrong(`${at.join(".") || "it"}: ${message}`);
  }
  return parsed.data;
}
