import { expect, test } from "bun:test";
import { addressWarning } from "./address.ts";

const served = new URL("https://releases.example/banger/");

test("a program that will look where it is served is no reason to warn", () => {
  for (const text of [
    "https://releases.example/banger\n",
    "https://releases.example/banger/",
    "https://RELEASES.example:443/banger",
  ])
    expect(addressWarning(text, served)).toBeUndefined();
});

test("one that knows no place, or another, is told of in one line", () => {
  for (const text of [undefined, "This is a placeholder. The address goes here, https://, on a line.\n"])
    expect(addressWarning(text, served)).toBe(
      "warning: the program built does not know where releases are: put https://releases.example/banger into src/release/releases-at.txt",
    );
  expect(addressWarning("https://old.example/banger\n", served)).toBe(
    "warning: the program built will look for releases at https://old.example/banger (src/release/releases-at.txt), not at https://releases.example/banger",
  );
});
