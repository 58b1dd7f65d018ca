import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatInstall } from "../config/install.ts";
import { chooseDaemon } from "./choose-daemon.ts";

const directory = mkdtempSync(join(tmpdir(), "banger-choose-"));
const installFile = join(directory, "install.toml");
const env = { HOME: "/home/bob", XDG_RUNTIME_DIR: "/run/user/1001" };

beforeAll(() =>
  writeFileSync(
    installFile,
    formatInstall({
      ...{ owner: "alice", uid: 1000, gid: 1000, home: "/home/alice" },
      ...{ version: "1.0.0", commit: "0123abcd", built_at: "unknown", installed_at: "2026-03-04T12:00:00Z" },
    }),
  ),
);
afterAll(() => rmSync(directory, { recursive: true }));

describe("the daemon of a user is", () => {
  test("their own, where nothing is installed", async () => {
    const choice = await chooseDaemon({ uid: 1000, env, installFile: join(directory, "nothing") });
    expect([choice.mode, choice.paths.socket]).toEqual(["user", "/run/user/1001/banger/bangerd.sock"]);
    expect(choice.reason).toContain("no system services are installed");
  });

  test("the system's, for the one whose it is", async () => {
    const choice = await chooseDaemon({ uid: 1000, env, installFile });
    expect([choice.mode, choice.paths.socket]).toEqual(["system", "/run/banger/bangerd.sock"]);
    expect(choice.paths.config).toBe("/home/alice/.config/banger/config.toml");
    expect(choice.reason).toBe(`the system services are installed for you (${installFile})`);
  });

  test("the system's, for root", async () => {
    expect((await chooseDaemon({ uid: 0, env, installFile })).reason).toContain("installed for alice");
  });

  test("their own, for everybody else", async () => {
    const choice = await chooseDaemon({ uid: 1001, env, installFile });
    expect([choice.mode, choice.paths.socket]).toEqual(["user", "/run/user/1001/banger/bangerd.sock"]);
    expect(choice.reason).toContain("alice's");
  });

  test("not guessed when install.toml is damaged", async () => {
    const damaged = join(directory, "damaged.toml");
    writeFileSync(damaged, "owner = ");
    await expect(chooseDaemon({ uid: 1000, env, installFile: damaged })).rejects.toThrow("cannot be used");
  });
});
