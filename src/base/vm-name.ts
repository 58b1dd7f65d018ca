/** The grammar of a VM's name: the schema's, and of those who load no schemas. */
import type { VmName } from "./ids.ts";

/** Explains what is wrong with a VM name, or undefined: 1-63 of a-z 0-9 '-', no '-' at either end (a DNS label). */
export function vmNameProblem(name: string): string | undefined {
  if (name.length === 0) return "a VM name cannot be empty";
  const bad = [...name].findIndex((char) => !/[a-z0-9-]/.test(char));
  if (bad >= 0) {
    const char = [...name][bad] ?? "";
    const upper = /[A-Z]/.test(char) ? "; use lower case" : "";
    return `character ${JSON.stringify(char)} at position ${bad + 1} is not allowed in a VM name (a-z, 0-9, '-')${upper}`;
  }
  if (name.startsWith("-") || name.endsWith("-")) return "a VM name cannot start or end with '-'";
  if (name.length > 63) return `a VM name has at most 63 characters, this one has ${name.length}`;
  return undefined;
}

export function isVmName(name: string): name is VmName {
  return vmNameProblem(name) === undefined;
}
