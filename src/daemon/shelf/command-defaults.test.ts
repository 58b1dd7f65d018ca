import { describe, expect, test } from "bun:test";
import { commandDefaults, defaultsOf, placeOf } from "./command-defaults.ts";

test("an image's environment, working directory and user become a command's", () => {
  expect(defaultsOf({ env: ["A=b", "EMPTY=", "WITH=a=b"], workingDir: "/app", user: "app" })).toEqual({
    env: { A: "b", EMPTY: "", WITH: "a=b" },
    cwd: "/app",
    user: "app",
  });
});

test("what no command can have is left out, and a relative directory begins at the root", () => {
  expect(defaultsOf({ env: ["no value", "=x", "N=a\0b"], workingDir: "app/../srv", user: "" })).toEqual({
    env: {},
    cwd: "/srv",
    user: undefined,
  });
  const cwdOf = (workingDir: string) => defaultsOf({ env: [], workingDir, user: "" }).cwd;
  expect(cwdOf("")).toBeUndefined();
  expect(cwdOf("/root")).toBe("/root");
  expect(cwdOf("/root/app")).toBe("/root");
});

test("of an image that has gone nothing is left", async () => {
  expect(await commandDefaults("/nowhere")("sha256:0")).toEqual({
    env: {},
    cwd: undefined,
    user: undefined,
  });
});

describe("a command runs", () => {
  const nowhere = { workspace: null };
  const somewhere = { workspace: { guestPath: "/root/repo" } };
  const image = { cwd: "/app", user: "app:staff" };
  const bare = { cwd: undefined, user: undefined };

  test("as the image's user where the image says, outside of a workspace", () => {
    expect(placeOf({}, nowhere, image)).toEqual({ user: "app:staff", cwd: "/app" });
    expect(placeOf({ cwd: "/srv" }, nowhere, image)).toEqual({ user: "app:staff", cwd: "/srv" });
    expect(placeOf({}, nowhere, bare)).toEqual({ user: undefined, cwd: undefined });
  });

  test("as root in a VM that has one, wherever in it", () => {
    expect(placeOf({}, somewhere, image)).toEqual({ user: undefined, cwd: "/root/repo" });
    expect(placeOf({ cwd: "/app" }, somewhere, image)).toEqual({ user: undefined, cwd: "/app" });
  });

  test("as whom it is asked to in every case", () => {
    expect(placeOf({ user: "bin" }, somewhere, image)).toEqual({ user: "bin", cwd: "/root/repo" });
    expect(placeOf({ user: "bin" }, nowhere, image)).toEqual({ user: "bin", cwd: "/app" });
    expect(placeOf({ user: "root" }, nowhere, image)).toEqual({ user: undefined, cwd: "/app" });
  });

  test("at the root of the file system where nobody says where, unless it is root's", () => {
    expect(placeOf({ user: "bin" }, nowhere, bare)).toEqual({ user: "bin", cwd: "/" });
    expect(placeOf({}, nowhere, { ...bare, user: "1000" })).toEqual({ user: "1000", cwd: "/" });
    expect(placeOf({ user: "root" }, nowhere, bare)).toEqual({ user: undefined, cwd: undefined });
  });

  test.each(["root", "0", "root:root", "0:0", "0:root", "root:"])("as root, nobody else, by %s", (user) => {
    expect(placeOf({}, nowhere, { cwd: undefined, user }).user).toBeUndefined();
  });

  test.each(["root:staff", "0:10", "00", "roots", "root\n", ":0", "-1"])(
    "as the guest says by %j",
    (user) => {
      expect(placeOf({}, nowhere, { cwd: undefined, user }).user).toBe(user);
    },
  );
});
