import { expect, test } from "bun:test";
import { compareVersions, isStable, Version } from "./versions.ts";

test("versions are in the order of semver.org, and releases after what came before them", () => {
  // The specification's own example, with neighbours.
  const inOrder = [
    "0.9.9",
    "0.10.0",
    "1.0.0-1",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
  ];
  expect(inOrder.toReversed().sort(compareVersions)).toEqual(inOrder);
  expect(inOrder.filter(isStable)).toEqual(["0.9.9", "0.10.0", "1.0.0", "1.0.1"]);
  expect(compareVersions("1.2.3", "1.2.3")).toBe(0);
});

test.each(["", "1.2", "v1.2.3", "1.02.3", "1.2.3-", "1.2.3+build", "1.2.3/..", "1.2.3\n", "1.2.3-a..b"])(
  "%j is no version",
  (text) => {
    expect(Version.safeParse(text).success).toBe(false);
  },
);
