/** Words and paths as OpenSSH reads them, on its command line and in its configuration (ssh_config(5)). */
import { BangerError } from "../../base/base.ts";

/** What ssh gives to a shell as ProxyCommand: `self` runs this banger again. `%` begins a token of ssh's there. */
export function proxyCommand(self: readonly string[]): string {
  for (const word of self) if (/[\r\n]/.test(word)) throw unusable(word);
  return `${self.map(quoted).join(" ")} internal connect %h %p`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''").replaceAll("%", "%%")}'`;
}

/** A path as an option's value: quoted, because ssh splits at spaces, and with its own `%` kept. */
export function optionPath(path: string): string {
  if (/["\r\n]|\$\{/.test(path)) throw unusable(path);
  return `"${path.replaceAll("\\", "\\\\").replaceAll("%", "%%")}"`;
}

/**
 * A path after Include, which is a pattern (glob(7)). `%` is a token to some versions and itself to others; that it is one
 * character is true for all.
 */
export function includePath(path: string): string {
  if (/["\r\n\\]/.test(path)) throw unusable(path);
  return `"${path.replaceAll(/[*?[]/g, "[$&]").replaceAll("${", "[$]{").replaceAll("%", "?")}"`;
}

function unusable(path: string): BangerError {
  return new BangerError(
    "precondition",
    `ssh cannot use a path with a quote or a line break in it: ${JSON.stringify(path)}`,
    { hint: "commands run without ssh by: banger vm exec" },
  );
}
