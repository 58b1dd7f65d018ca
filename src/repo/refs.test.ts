import { expect, test } from "bun:test";
import { branchNameProblem, conflictingRef, type Refs } from "./refs.ts";

test("branch names that git refuses are refused with the reason", () => {
  for (const bad of [
    "",
    "-x",
    "a..b",
    "a b",
    "a~",
    "a^",
    "a:b",
    "a?",
    "a*",
    "a[",
    "a\\b",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "a.",
    "/a",
    "a/",
    "a//b",
    "HEAD",
    "@",
    "a@{b",
    "a\u0007",
  ]) {
    expect(branchNameProblem(bad)).toBeString();
  }
  for (const good of ["a", "feature/x-1", "ü", "a.b", "a@b", "v1.0"])
    expect(branchNameProblem(good)).toBeUndefined();
});

test("a branch stands in the way of its own name, of what is below it and of what is above it", () => {
  const refs: Refs = { byName: new Map([["refs/heads/a/b", "0"]]), head: "0", headRef: undefined };
  expect(conflictingRef(refs, "refs/heads/a/b")).toBe("refs/heads/a/b");
  expect(conflictingRef(refs, "refs/heads/a")).toBe("refs/heads/a/b");
  expect(conflictingRef(refs, "refs/heads/a/b/c")).toBe("refs/heads/a/b");
  expect(conflictingRef(refs, "refs/heads/a/c")).toBeUndefined();
});
