/** Which Debian mirror this machine uses: apt's sources in both of their formats (sources.list(5)). */
import { accessSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";

export interface DebianMirror {
  /** Of the main archive. */
  archive: string;
  /** Of the security archive, when the machine uses one. */
  security: string | undefined;
  keyring: string;
}

const keyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/**
 * The configured mirror, else the one in `aptDir`'s sources. Throws host_missing when there is none (another
 * distribution), or no keyring to check its signatures with.
 */
export function debianMirror(configured: string | undefined, aptDir = "/etc/apt"): DebianMirror {
  const keyring = keyrings.find(readable);
  if (keyring === undefined) {
    throw new BangerError("host_missing", "the keyring that signs Debian's packages is not installed", {
      hint: "install it: sudo apt-get install debian-archive-keyring",
      details: { missing: "keyring" },
    });
  }
  if (configured !== undefined) return { archive: configured, security: undefined, keyring };
  const uris = sourceUris(aptDir);
  const archive = uris.find((uri) => /\/debian\/?$/.test(uri));
  if (archive === undefined) {
    throw new BangerError("host_missing", "this machine's apt sources name no Debian mirror", {
      hint: 'set debian_mirror = "http://..." in banger\'s config.toml',
    });
  }
  return { archive, security: uris.find((uri) => /\/debian-security\/?$/.test(uri)), keyring };
}

/** Every http(s) URI of binary packages in sources.list, sources.list.d/*.list and *.sources, in file order. */
export function sourceUris(aptDir: string): string[] {
  const parts = join(aptDir, "sources.list.d");
  const files = [join(aptDir, "sources.list"), ...list(parts).map((name) => join(parts, name))];
  return files.flatMap((file) => {
    const text = read(file);
    return file.endsWith(".sources") ? deb822Uris(text) : oneLineUris(text);
  });
}

function oneLineUris(text: string): string[] {
  const found = text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(https?:\/\/\S+)\s/gm);
  return [...found].map(([, uri]) => uri ?? "");
}

/** Stanzas of `Field: value`, continued by indented lines. */
function deb822Uris(text: string): string[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
    if (!field("Types").includes("deb") || field("Enabled")[0] === "no") return [];
    return field("URIs").filter((uri) => /^https?:\/\//.test(uri));
  });
}

function readable(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Files that this user may not read are not this user's mirror.
    return "";
  }
}
