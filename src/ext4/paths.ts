/** Paths in a disk: bytes, from its root, kept as strings of one character per byte. */
import { BangerError } from "../base/base.ts";

/** The names of a path, none for the root. Throws bad_request for a path that leads nowhere or elsewhere. */
export function namesOf(path: Uint8Array): string[] {
  const text = Buffer.from(path.buffer, path.byteOffset, path.length).toString("latin1");
  if (text === "") return [];
  const names = text.split("/");
  for (const name of names) checkName(name, () => shown(text));
  return names;
}

/** Throws bad_request for what no directory has. `path`, for the message: where it is from. */
export function checkName(name: string, path: () => string = () => shown(name)): void {
  if (name === "" || name === "." || name === ".." || name.length > 255 || name.includes("\0"))
    throw new BangerError("bad_request", `${path()} is no path of a file in a disk`);
}

/** The same for a path as it was given. */
export function shownPath(path: Uint8Array): string {
  return shown(Buffer.from(path).toString("latin1"));
}

/** For messages: what is not plain ASCII, escaped, and no more than anybody reads. */
export function shown(text: string): string {
  const escaped = text
    .slice(0, 200)
    .replace(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return text.length > 200 ? `${escaped}...` : escaped;
}
