import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { VmId } from "../../base/base.ts";
import type { GuestSession } from "../../guest/guest.ts";
import { inWorkspace, MiseFinder } from "./workspace-command.ts";

const workspace = { guestPath: "/root/repo", hostPath: "/work/repo", head: "a".repeat(40) };
const command = { argv: ["make", "test"], env: { A: "command's" } };
const there = { cwd: undefined, tools: true, hasMise: async () => true };

describe("a command in a VM", () => {
  test("without a workspace, or in one that names no tools, is started as it is, and nobody is asked", async () => {
    const hasMise = () => Promise.reject(new Error("asked"));
    expect(await inWorkspace(command, null, { ...there, hasMise })).toBe(command);
    expect(await inWorkspace(command, workspace, { ...there, hasMise })).toEqual(command);
  });

  test("has the repository's environment, below what the command itself is given", async () => {
    const own = await inWorkspace(command, { ...workspace, env: { A: "repository's", B: "2" } }, there);
    expect(own.env).toEqual({ A: "command's", B: "2" });
  });

  test("gets the workspace's tools in it: not outside of it, not where there is no mise, not when nobody wants them", async () => {
    const tools = { ...workspace, tools: true as const };
    const argvOf = async (how: Partial<typeof there> | { cwd: string }) =>
      (await inWorkspace(command, tools, { ...there, ...how })).argv;
    for (const cwd of [undefined, "/root/repo", "/root/repo/sub"])
      expect((await argvOf({ cwd }))[0]).toBe("/bin/sh");
    for (const cwd of ["/root", "/root/repository"]) expect(await argvOf({ cwd })).toEqual(command.argv);
    expect(await argvOf({ tools: false })).toEqual(command.argv);
    expect(await argvOf({ hasMise: async () => false })).toEqual(command.argv);
    expect((await inWorkspace(command, tools, there)).env.MISE_TRUSTED_CONFIG_PATHS).toBe("/root/repo");
  });

  /** Runs it here, with a mise that is this script. */
  async function run(mise: string, ...argv: string[]) {
    const bin = mkdtempSync(join(tmpdir(), "banger-mise-"));
    try {
      writeFileSync(join(bin, "mise"), `#!/bin/sh\n${mise}\n`);
      chmodSync(join(bin, "mise"), 0o755);
      const wanted = await inWorkspace({ argv, env: {} }, { ...workspace, tools: true }, there);
      const [program = "", ...words] = wanted.argv;
      const { status, stdout } = spawnSync(program, words, { env: { PATH: `${bin}:/usr/bin:/bin` } });
      return [status, stdout.toString()];
    } finally {
      rmSync(bin, { recursive: true });
    }
  }

  test("runs with what mise says, exact in its words and its status", async () => {
    const mise = "echo \"export GREETING='hello there'\"";
    const words = ["sh", "-c", 'printf "%s|%s" "$GREETING" "$1"; exit 42', "sh", "a 'b'\n\"c\" $d *"];
    expect(await run(mise, ...words)).toEqual([42, "hello there|a 'b'\n\"c\" $d *"]);
  });

  test("runs without it where mise cannot read its files", async () => {
    expect(await run("echo broken >&2; exit 1", "echo", "ran")).toEqual([0, "ran\n"]);
  });

  test("that is not there is 127", async () => {
    expect((await run("true", "no-such-program"))[0]).toBe(127);
  });
});

test("a guest is asked for its mise until it has one", async () => {
  const statuses = [127, 0];
  const session = {
    exec: async () => ({
      ...{ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() },
      exit: Promise.resolve(statuses.shift()),
    }),
  } as unknown as GuestSession;
  const finder = new MiseFinder();
  const id = "vm" as VmId;
  const ask = () => finder.in(id, session, {}, new AbortController().signal);
  expect([await ask(), await ask(), await ask()]).toEqual([false, true, true]);
  expect(statuses).toEqual([]);
});
