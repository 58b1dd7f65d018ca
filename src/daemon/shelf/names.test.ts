import { expect, test } from "bun:test";
import { failure, saying } from "../../oci/testing/failures.ts";
import { pick } from "./names.ts";

const stored = (name: string, digest: string, day: number) => ({
  name,
  id: `sha256:${digest.padEnd(64, "0")}`,
  createdAt: `2026-01-0${day}T00:00:00.000Z`,
});
const all = [stored("abcd", "1111", 1), stored("victim", "abcd1", 2), stored("other", "abcd2", 3)];

test("a name means what has it, and not a newer one whose id begins like it", () => {
  expect(pick("image", "abcd", all, []).name).toBe("abcd");
  expect(pick("image", "abcd1", all, []).name).toBe("victim");
  expect(pick("image", "1111", all, []).name).toBe("abcd");
});

test("the beginning of several ids is refused, with all of them", async () => {
  const asked = Promise.resolve().then(() => pick("kernel", "sha256:abcd", all, []));
  expect(await failure(asked)).toMatchObject(
    saying("ambiguous", /several kernels.*victim \(abcd1.*other \(abcd2/),
  );
});
