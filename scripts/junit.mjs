/** What a JUnit report of `bun test` says. */
import { readFileSync } from "node:fs";

/** Counts, and the names of what failed; of a run that died before its report, none. */
export function readReport(path) {
  let xml = "";
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    return { counts: { passed: 0, failed: 0, skipped: 0 }, failures: [] };
  }
  const number = (attribute) =>
    Number(new RegExp(`<testsuites[^>]* ${attribute}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const [tests, failed, skipped] = [number("tests"), number("failures"), number("skipped")];
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*[^/]>\s*<failure/g);
  return {
    counts: { passed: tests - failed - skipped, failed, skipped },
    failures: [...cases].map(([, name]) => text(name)),
  };
}

const entities = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const text = (escaped) => escaped.replace(/&(amp|lt|gt|quot|apos);/g, (_, name) => entities[name]);
