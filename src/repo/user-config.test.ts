import { expect, test } from "bun:test";
import { homedir } from "node:os";
import { conditionHolds } from "./user-config.ts";

test("gitdir conditions hold where git's own would", () => {
  const cases: [string, string, boolean][] = [
    ["gitdir:~/work/", `${homedir()}/work/a/.git`, true],
    ["gitdir:~/work/", `${homedir()}/other/.git`, false],
    ["gitdir:/srv/*/.git", "/srv/a/.git", true],
    ["gitdir:/srv/*/.git", "/srv/a/b/.git", false],
    ["gitdir:foo/", "/x/foo/y/.git", true],
    ["gitdir:foo.git", "/x/fooxgit", false],
    ["gitdir:./here/", "/base/here/.git", true],
    ["gitdir:/A/", "/a/.git", false],
    ["gitdir/i:/A/", "/a/.git", true],
    ["onbranch:main", "/a/.git", false],
    ["hasconfig:remote.*.url:x", "/a/.git", false],
  ];
  for (const [condition, gitDir, holds] of cases) {
    expect([condition, gitDir, conditionHolds(condition, gitDir, "/base")]).toEqual([
      condition,
      gitDir,
      holds,
    ]);
  }
});
