/** Versions as semver.org has them, without build metadata: a release is either stable or comes before one. */
import { z } from "zod";

const number = "(?:0|[1-9][0-9]{0,8})";
const grammar = new RegExp(
  `^(${number})\\.(${number})\\.(${number})(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?$`,
);

export const Version = z.string().max(64).regex(grammar, "is no version, as 1.2.3 and 1.3.0-rc.1 are");

export function isStable(version: string): boolean {
  return !version.includes("-");
}

/** For sort(). Both must be versions. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (let n = 0; n < 3; n += 1) {
    const difference = Number(left.numbers[n]) - Number(right.numbers[n]);
    if (difference !== 0) return difference;
  }
  // What comes before a release has identifiers, and the release has none.
  if (left.before.length === 0 || right.before.length === 0) return right.before.length - left.before.length;
  for (let n = 0; n < Math.max(left.before.length, right.before.length); n += 1) {
    const difference = compareIdentifiers(left.before[n], right.before[n]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function parts(version: string): { numbers: string[]; before: string[] } {
  const [, major = "0", minor = "0", patch = "0", before] = grammar.exec(version) ?? [];
  return { numbers: [major, minor, patch], before: before?.split(".") ?? [] };
}

/** Numbers by their value and before words; an identifier more is later. */
function compareIdentifiers(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  const [left, right] = [a, b].map((word) => (/^[0-9]+$/.test(word) ? Number(word) : undefined));
  if (left !== undefined && right !== undefined) return left - right;
  if (left !== undefined || right !== undefined) return left === undefined ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}
