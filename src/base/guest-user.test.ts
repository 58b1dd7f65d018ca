import { expect, test } from "bun:test";
import { isGuestUser } from "./guest-user.ts";

test.each(["root", "app:staff", "1000", "1000:1000", "app:0", "-1", "a b", "ü"])(
  "%j may be asked for",
  (given) => {
    expect(isGuestUser(given)).toBe(true);
  },
);

test.each(["", ":", "app:", ":staff", "a:b:c", "a\n", "a\0", "a\x1b[m", "a".repeat(257)])(
  "%j may not",
  (given) => {
    expect(isGuestUser(given)).toBe(false);
  },
);
