import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { archiveOf } from "./archive.ts";
import { sha256, sumsText } from "./sums.ts";

test("the archive holds one program of root's, and nothing of when and where it was packed", () => {
  const program = Buffer.from("#!/bin/sh\necho banger\n");
  const archive = archiveOf(program, 1_700_000_000);
  // Flags, time, extra flags (best compression), system.
  expect([...archive.subarray(3, 10)]).toEqual([0, 0, 0, 0, 0, 2, 255]);
  const tar = (...args: string[]) =>
    execFileSync("tar", [...args, "-z", "-f", "-"], { input: archive, env: { ...process.env, TZ: "UTC" } });
  expect(tar("--list", "--verbose", "--numeric-owner").toString().trim().split(/\s+/)).toEqual([
    "-rwxr-xr-x",
    "0/0",
    String(program.length),
    "2023-11-14",
    "22:13",
    "banger",
  ]);
  expect(tar("--extract", "--to-stdout", "banger").equals(program)).toBe(true);
});

test("SHA256SUMS says of which release it is, and is sorted", () => {
  const files = new Map([
    ["b", Buffer.from("2")],
    ["a", Buffer.from("1")],
  ]);
  const date = "2026-11-28T12:00:00Z";
  expect(sumsText({ version: "1.2.3", date, files }).split("\n")).toEqual([
    "# banger 1.2.3",
    `# date ${date}`,
    `${sha256(Buffer.from("1"))}  a`,
    `${sha256(Buffer.from("2"))}  b`,
    "",
  ]);
  for (const name of ["../a", "-a", "a b", "a\nb"])
    expect(() => sumsText({ version: "1.2.3", date, files: new Map([[name, Buffer.alloc(0)]]) })).toThrow();
});
