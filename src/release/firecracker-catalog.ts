/** The catalog of Firecracker's releases: data in images/firecracker.json, embedded in the executable. */
import { z } from "zod";
import data from "../../images/firecracker.json";
import { BangerError } from "../base/base.ts";

const version = z.string().regex(/^\d{1,3}\.\d{1,3}\.\d{1,3}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

const Catalog = z.strictObject({
  version: z.literal(1),
  /** With {version} in it. */
  url: z.string().startsWith("https://"),
  default: version,
  releases: z.array(
    z.strictObject({
      version,
      /** Of the archive. Null: the user has to give it. */
      sha256: digest.nullable(),
      /** What the digest rests on. */
      evidence: z.string(),
    }),
  ),
});
type Catalog = z.infer<typeof Catalog>;

export const firecrackerReleases: Catalog = Catalog.parse(data);

export interface ChosenRelease {
  version: string;
  url: string;
  sha256: string;
}

/** What to download and what it must be. Throws bad_request when nobody has said what its digest is. */
export function chooseRelease(
  { version: wanted, sha256: given }: { version?: string | undefined; sha256?: string | undefined },
  catalog: Catalog = firecrackerReleases,
): ChosenRelease {
  const chosen = version.safeParse((wanted ?? catalog.default).replace(/^v/, "")).data;
  if (chosen === undefined)
    throw new BangerError(
      "bad_request",
      `${JSON.stringify(wanted)} is not a version such as ${catalog.default}`,
    );
  const sha256 = given === undefined ? undefined : digest.safeParse(given.toLowerCase()).data;
  if (given !== undefined && sha256 === undefined)
    throw new BangerError("bad_request", "a sha256 has 64 hexadecimal digits");
  const pinned = catalog.releases.find((release) => release.version === chosen)?.sha256 ?? undefined;
  if (pinned !== undefined && sha256 !== undefined && pinned !== sha256) {
    throw new BangerError(
      "bad_request",
      `the archive of Firecracker ${chosen} has the sha256 ${pinned}, not that one`,
    );
  }
  const expected = pinned ?? sha256;
  if (expected === undefined) {
    throw new BangerError("bad_request", `banger knows no sha256 of the archive of Firecracker ${chosen}`, {
      hint: `take it from Firecracker's release page, and say: banger firecracker install --version ${chosen} --sha256 HEX`,
    });
  }
  return { version: chosen, url: catalog.url.replaceAll("{version}", chosen), sha256: expected };
}
