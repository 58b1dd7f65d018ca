/** `banger doctor` on this very host, whatever that has: it tells what is there, and leaves everything as it was. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "../../src/doctor/doctor.ts";
import { findProcesses } from "../../src/sys/sys.ts";

const main = join(import.meta.dir, "../../src/main.ts");
/** To root nothing is forbidden: the ids of nobody. */
const isRoot = process.getuid?.() === 0;
const user = isRoot
  ? { uid: 61_184, gid: 61_184 }
  : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-doctor-"));
  for (const name of ["config", "run"]) mkdirSync(join(dir, name), { mode: 0o700 });
});
afterEach(() => rmSync(dir, { recursive: true }));

function banger(
  words: string[],
  env: Record<string, string> = {},
  as: Partial<typeof user> = {},
): Promise<{ status: number; out: string }> {
  const own = {
    ...{ PATH: process.env.PATH ?? "", HOME: dir, TMPDIR: dir, XDG_CONFIG_HOME: join(dir, "config") },
    ...{
      XDG_STATE_HOME: join(dir, "state"),
      XDG_CACHE_HOME: join(dir, "cache"),
      XDG_RUNTIME_DIR: join(dir, "run"),
    },
  };
  const all = { ...own, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", ...env };
  return new Promise((resolve) =>
    execFile(process.execPath, [main, ...words], { env: all, ...as }, (error, out) =>
      resolve({ status: error === null ? 0 : Number(error.code), out }),
    ),
  );
}

async function doctor(env: Record<string, string> = {}, as: Partial<typeof user> = {}) {
  const { status, out } = await banger(["doctor", "--json"], env, as);
  const report = JSON.parse(out) as Report;
  const check = (id: string) => report.results.find((each) => each.id === id);
  return { status, report, check };
}

/** All but what Bun unpacks. */
const left = () =>
  readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) => !name.startsWith(".bun-"));

describe("doctor", () => {
  test("looks at everything, makes nothing, and starts no daemon", async () => {
    const { status, report, check } = await doctor();
    const failed = report.results.filter(({ state }) => state === "fail");
    expect(status).toBe(failed.length > 0 ? 1 : 0);
    expect(report.results.filter(({ summary }) => summary.startsWith("not known"))).toEqual([]);
    expect(report.results.every(({ id, evidence }) => id === "vms" || evidence.length > 0)).toBe(true);
    expect(check("daemon")?.summary).toBe("none runs; the next command starts one");
    expect(left().sort()).toEqual(["config", "run"]);
  });

  test("knows a config.toml that no daemon would start with", async () => {
    mkdirSync(join(dir, "config/banger"));
    writeFileSync(join(dir, "config/banger/config.toml"), 'vmmm = "qemu"\n');
    const { status, report, check } = await doctor();
    expect(status).toBe(1);
    expect(check("config")).toMatchObject({
      state: "fail",
      remedy: ["line 1: unknown key vmmm; did you mean vmm?", "correct it, or move it away"],
    });
    expect(report.conclusion.works).toBe("no");
  });

  test("knows a host without QEMU", async () => {
    mkdirSync(join(dir, "bin"));
    const { status, check } = await doctor({ PATH: join(dir, "bin") });
    expect([status, check("qemu")?.state, check("qemu")?.summary]).toEqual([
      1,
      "fail",
      "qemu-system-x86_64 is not installed",
    ]);
  });

  test("does not wait for a program that hangs, and ends it", async () => {
    mkdirSync(join(dir, "bin"));
    writeFileSync(join(dir, "bin/qemu-system-x86_64"), "#!/bin/sh\nexec sleep 599.25\n", { mode: 0o755 });
    const { check } = await doctor({ PATH: `${join(dir, "bin")}:${process.env.PATH}` });
    expect(check("qemu")).toMatchObject({
      state: "warn",
      summary: expect.stringContaining("no answer within"),
    });
    expect(check("git")?.state).toBe("pass");
    expect(findProcesses((argv) => argv[1] === "599.25")).toEqual([]);
  });

  test.each(["XDG_STATE_HOME", "HOME"])(
    "knows that %s leads nowhere, and goes on without it",
    async (name) => {
      const { check } = await doctor({ [name]: "state" });
      expect(check("environment")).toMatchObject({
        state: "fail",
        summary: `${name}="state" is not an absolute path`,
      });
      expect(check("state")?.state).toBe("pass");
    },
  );

  test("asks a daemon that runs, and lets it run", async () => {
    expect((await banger(["vm", "list"])).status).toBe(0);
    try {
      const { check } = await doctor();
      expect(check("daemon")?.summary).toMatch(/^runs \(pid \d+\)$/);
      expect(check("vms")).toMatchObject({ state: "pass", summary: "0 in all, 0 running" });
      expect(check("state")?.evidence).toContainEqual({ looked: "banger.db", found: "good" });
    } finally {
      expect((await banger(["daemon", "stop"])).status).toBe(0);
    }
    writeFileSync(join(dir, "state/banger/banger.db"), "no database, and long enough to be one");
    expect((await doctor()).check("state")).toMatchObject({ state: "warn" });
  });

  test("tells why the last daemon could not start", async () => {
    mkdirSync(join(dir, "config/banger"));
    writeFileSync(join(dir, "config/banger/config.toml"), "log_level = 1\n");
    expect((await banger(["vm", "list"])).status).toBe(1);
    expect((await doctor()).check("daemon")).toMatchObject({
      state: "warn",
      summary: expect.stringMatching(/^the last one could not start: .*log_level/),
    });
    expect(existsSync(join(dir, "run/banger/bangerd.sock"))).toBe(false);
  });

  test("mends what it is told to, and nothing before it is", async () => {
    mkdirSync(join(dir, "state/banger"), { recursive: true });
    chmodSync(join(dir, "state/banger"), 0o755);
    // Not as root, for whom more could be mended on this host than is the test's to mend.
    for (const each of ["", "config", "run", "state", "state/banger"])
      chownSync(join(dir, each), user.uid, user.gid);
    const env = { TMPDIR: "/tmp" };
    const mode = () => (statSync(join(dir, "state/banger")).mode & 0o777).toString(8);
    expect((await doctor(env, user)).check("state")).toMatchObject({
      state: "warn",
      remedy: [`chmod go-rwx ${join(dir, "state/banger")}`],
    });
    // Nobody is there to be asked.
    expect((await banger(["doctor", "--fix"], env, user)).status).toBe(1);
    expect(mode()).toBe("755");
    const { out } = await banger(["doctor", "--fix", "--yes", "--json"], env, user);
    const { mended, results } = JSON.parse(out) as Report & { mended: { line: string; outcome: string }[] };
    expect(mended).toContainEqual({
      ...{ line: `chmod go-rwx ${join(dir, "state/banger")}`, checks: ["state"], outcome: "done" },
    });
    expect([mode(), results.find(({ id }) => id === "state")?.state]).toEqual(["700", "pass"]);
  });

  test("knows a directory that its user may not write to", async () => {
    chownSync(dir, user.uid, user.gid);
    chmodSync(dir, 0o500);
    try {
      expect((await doctor({ TMPDIR: "/tmp" }, user)).check("state")).toMatchObject({
        state: "fail",
        summary: `you may not write to ${dir} (EACCES)`,
      });
    } finally {
      chmodSync(dir, 0o700);
    }
  });
});
