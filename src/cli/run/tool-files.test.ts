import { expect, test } from "bun:test";
import { toolFilesOf } from "./tool-files.ts";

const file = (path: string) => ({
  path: Buffer.from(path),
  kind: "file" as const,
  executable: false,
  sizeBytes: 1,
});

test("of what travels, what mise reads at the root tells of tools", () => {
  const paths = [".config/mise.toml", ".tool-versions", "a/mise.toml", "mise.toml", "mise.toml.orig"];
  const listing = {
    included: [],
    includedDigest: undefined,
    ignored: [],
    changed: { present: [], gone: [] },
    skippedUntracked: 0,
    nestedRepositories: [],
    commit: undefined,
  };
  const tracked = paths.map(file);
  expect(toolFilesOf({ ...listing, tracked, untracked: [] })).toEqual([
    ".config/mise.toml",
    ".tool-versions",
    "mise.toml",
  ]);
  expect(toolFilesOf({ ...listing, tracked: [], untracked: [file(".mise.toml")] })).toEqual([".mise.toml"]);
});
