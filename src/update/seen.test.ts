import { expect, test } from "bun:test";
import { rememberIfAllowed } from "./seen.ts";
import { failure } from "./testing/bed.ts";

const seen = { version: "1.3.0", date: "2026-11-20T10:00:00Z" };
const remember = (errno: string, check: boolean) =>
  failure(
    rememberIfAllowed("/nowhere", seen, check, async () => {
      throw Object.assign(new Error(errno), { code: errno });
    }),
  ).then(({ message }) => message);

test.each(["ENOSPC", "EDQUOT"])(
  "--check looks although a disk is full (%s), and an update stops there",
  async (errno) => {
    expect(await remember(errno, true)).toBe("it went well");
    expect(await remember(errno, false)).toBe(errno);
  },
);

test("who may not write there may look; what else fails is said", async () => {
  expect(await remember("EACCES", false)).toBe("it went well");
  expect(await remember("EIO", true)).toBe("EIO");
});
