import { expect, test } from "bun:test";
import { commandDefaults, defaultsOf } from "./command-defaults.ts";

test("an image's environment and working directory become a command's", () => {
  expect(defaultsOf({ env: ["A=b", "EMPTY=", "WITH=a=b"], workingDir: "/app" })).toEqual({
    env: { A: "b", EMPTY: "", WITH: "a=b" },
    cwd: "/app",
  });
});

test("what no command can have is left out, and a relative directory begins at the root", () => {
  expect(defaultsOf({ env: ["no value", "=x", "N=a\0b"], workingDir: "app/../srv" })).toEqual({
    env: {},
    cwd: "/srv",
  });
  expect(defaultsOf({ env: [], workingDir: "" }).cwd).toBeUndefined();
  expect(defaultsOf({ env: [], workingDir: "/root" }).cwd).toBe("/root");
  expect(defaultsOf({ env: [], workingDir: "/root/app" }).cwd).toBeUndefined();
});

test("of an image that has gone nothing is left", async () => {
  expect(await commandDefaults("/nowhere")("sha256:0")).toEqual({ env: {}, cwd: undefined });
});
