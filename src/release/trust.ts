/** By whom banger's own releases are signed, and where they are: as the source says, in two files that begin as placeholders. */
import keyText from "./release-key.pem" with { type: "text" };
import addressText from "./releases-at.txt" with { type: "text" };

/** PEM; undefined in a source that has no key yet. */
export const releaseKey: string | undefined = /^-----BEGIN PUBLIC KEY-----$/m.test(keyText)
  ? keyText
  : undefined;

/** Of a directory, without a slash at its end; undefined in a source that has no releases yet. */
export const releasesAt: string | undefined = addressIn(addressText);

/** The address in the text of releases-at.txt, if that is one. */
export function addressIn(text: string): string | undefined {
  const address = text.trim();
  return /^https:\/\/\S+$/.test(address) ? address.replace(/\/$/, "") : undefined;
}
