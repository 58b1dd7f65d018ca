import { expect, test } from "bun:test";
import { safePath } from "./git.ts";

test("programs are never looked for in the repository or in the current directory", () => {
  expect(safePath("/usr/bin:.:bin::/work/repo/bin:/work/repo:/work/repository", "/work/repo")).toBe(
    "/usr/bin:/work/repository",
  );
  expect(safePath(undefined, "/work/repo")).toBe("/usr/local/bin:/usr/bin:/bin");
  expect(safePath(".", "/work/repo")).toBe("/usr/local/bin:/usr/bin:/bin");
});
