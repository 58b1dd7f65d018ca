import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inWorkspace } from "./workspace-command.ts";

const workspace = { guestPath: "/root/repo", hostPath: "/work/repo", head: "a".repeat(40) };
const command = { argv: ["make", "test"], env: { A: "command's" } };
const there = { cwd: undefined, tools: true };

describe("a command in a VM", () => {
  test("without a workspace, or in one that names no tools, is started as it is", () => {
    expect(inWorkspace(command, null, there)).toBe(command);
    expect(inWorkspace(command, workspace, there)).toEqual(command);
  });

  test("has the repository's environment, below what the command itself is given", () => {
    const own = inWorkspace(command, { ...workspace, env: { A: "repository's", B: "2" } }, there);
    expect(own.env).toEqual({ A: "command's", B: "2" });
  });

  test("gets the workspace's tools in it, and neither outside of it nor when nobody wants them", () => {
    const tools = { ...workspace, tools: true as const };
    const argvOf = (how: { cwd: string | undefined; tools: boolean }) =>
      inWorkspace(command, tools, how).argv;
    for (const cwd of [undefined, "/root/repo", "/root/repo/sub"])
      expect(argvOf({ cwd, tools: true })[0]).toBe("/bin/sh");
    for (const cwd of ["/root", "/root/repository"])
      expect(argvOf({ cwd, tools: true })).toEqual(command.argv);
    expect(argvOf({ cwd: undefined, tools: false })).toEqual(command.argv);
    expect(inWorkspace(command, tools, there).env.MISE_TRUSTED_CONFIG_PATHS).toBe("/root/repo");
  });

  /** Runs it here, with a mise that is this script, or none. */
  function run(mise: string | undefined, ...argv: string[]) {
    const bin = mkdtempSync(join(tmpdir(), "banger-mise-"));
    try {
      if (mise !== undefined) {
        writeFileSync(join(bin, "mise"), `#!/bin/sh\n${mise}\n`);
        chmodSync(join(bin, "mise"), 0o755);
      }
      const [program = "", ...words] = inWorkspace(
        { argv, env: {} },
        { ...workspace, tools: true },
        there,
      ).argv;
      const { status, stdout } = spawnSync(program, words, { env: { PATH: `${bin}:/usr/bin:/bin` } });
      return [status, stdout.toString()];
    } finally {
      rmSync(bin, { recursive: true });
    }
  }

  test("runs with what mise says, exact in its words and its status", () => {
    const mise = "echo \"export GREETING='hello there'\"";
    expect(
      run(mise, "sh", "-c", 'printf "%s|%s" "$GREETING" "$1"; exit 42', "sh", "a 'b'\n\"c\" $d *"),
    ).toEqual([42, "hello there|a 'b'\n\"c\" $d *"]);
  });

  test("runs without it where there is no mise, or where mise cannot read its files", () => {
    expect(run(undefined, "echo", "ran")).toEqual([0, "ran\n"]);
    expect(run("echo broken >&2; exit 1", "echo", "ran")).toEqual([0, "ran\n"]);
  });

  test("that is not there is 127", () => {
    expect(run("true", "no-such-program")[0]).toBe(127);
  });
});
