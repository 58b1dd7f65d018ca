import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import { BangerError } from "../base/base.ts";
import { pathKindOf } from "./trees.ts";

/** An archive whose reading has failed before anybody has looked at it: what had come is lost with it. */
function failed(why: string): Readable {
  const tar = new Readable({ read: () => {} });
  tar.destroy(new BangerError("guest_failed", `reading //. failed in the guest: ${why}`));
  return tar;
}

test.each([
  ["./sys/kernel/warn_count: it became shorter while it was read", "directory"],
  ["./gone: No such file or directory", "directory"],
  ["tar: ./gone: No such file or directory", "directory"],
  [".: No such file or directory", "missing"],
  ["tar: /nope/.: Not a directory", "file"],
] as const)("of what failed with %s the kind is known: %s", async (why, kind) => {
  expect(await pathKindOf(failed(why))).toBe(kind);
});

test("what else goes wrong is an error", async () => {
  await expect(pathKindOf(failed(".: Input/output error"))).rejects.toThrow("Input/output error");
});
