/** install.sh of a release: the source's, with the key that it verifies by, and where releases are. */
import { BangerError } from "../../src/base/base.ts";

export const installerPath = "scripts/install.sh";
const keyMarker = "@PUBLIC_KEY@";
const baseMarker = "'@BASE_URL@'";

export interface InstallerOf {
  /** The source's text; undefined when there is none. */
  template: string | undefined;
  /** PEM. */
  publicKey: string;
  /** Undefined: whoever runs it has to say. */
  baseUrl: URL | undefined;
}

/** Throws not_found, corrupt for a source without exactly one place for the key. */
export function installerText({ template, publicKey, baseUrl }: InstallerOf): string {
  if (template === undefined) {
    throw new BangerError("not_found", `there is no ${installerPath}, which every release has with it`, {
      hint: `commit it, with a line that has ${keyMarker} in it`,
    });
  }
  const places = template.split(keyMarker).length - 1;
  if (places !== 1) {
    throw new BangerError("corrupt", `${installerPath} has ${keyMarker} ${places} times, not once`, {
      hint: "the key is put in there, in PEM",
    });
  }
  const withKey = template.replace(keyMarker, () => publicKey.trimEnd());
  // A URL has no single quote unless it is encoded: it stays one word of the shell's.
  return baseUrl === undefined
    ? withKey
    : withKey.replace(baseMarker, () => `'${baseUrl.href.replaceAll("'", "%27").replace(/\/$/, "")}'`);
}
