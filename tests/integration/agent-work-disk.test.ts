/** The work disk given back and taken again by the agent, in a mount namespace with a loop device at /root. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestSession, openAgentSession } from "../../src/guest/guest.ts";
import { agentMissing, dialAgent, runIn } from "./agent-fixture.ts";

const binary = join(import.meta.dir, "../../build/native/agent");
const script = `set -e
mount --make-rprivate /
mount "$3" /root
exec "$2" --socket "$1/s" --run "$1"
`;

function loopMissing(): string | undefined {
  if (agentMissing !== undefined) return agentMissing;
  if (process.getuid?.() !== 0) return "needs root";
  const probe = spawnSync("losetup", ["-f"], { encoding: "utf8" });
  return probe.status === 0 ? undefined : `no loop device to be had: ${probe.stderr}`;
}
const missing = loopMissing();
if (missing !== undefined) console.warn(`work disk tests skipped: ${missing}`);

describe.skipIf(missing !== undefined)("a work disk", () => {
  let dir: string;
  let agent: ChildProcess;
  let session: GuestSession;
  let loop: string;
  const disk = () => join(dir, "disk");

  /** Over whatever was there, as the host writes to a disk that a machine has open. */
  function format(file: string): void {
    const tree = join(dir, `tree-${file}`);
    mkdirSync(tree);
    writeFileSync(join(tree, file), file);
    execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-d", tree, disk(), "16M"]);
  }

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "banger-agent-"));
    format("old");
    // Not by mount: its loop device would go with the mount.
    loop = execFileSync("losetup", ["-f", "--show", disk()], { encoding: "utf8" }).trim();
    agent = spawn(
      "unshare",
      ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", dir, binary, loop],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    session = await open();
  });
  afterEach(async () => {
    session.close();
    const gone = new Promise((resolve) => agent.once("exit", resolve));
    agent.kill("SIGKILL");
    await gone;
    execFileSync("losetup", ["-d", loop]);
    rmSync(dir, { recursive: true });
  });

  async function open(): Promise<GuestSession> {
    return openAgentSession(await dialAgent(join(dir, "s")), { handshakeTimeoutMs: 5000 });
  }

  const list = async () => (await runIn(session, ["ls", "/root"])).stdout.split("\n").filter(Boolean);

  test("is given back, and has what the host has put on it when it is taken again", async () => {
    expect(await list()).toContain("old");
    await session.releaseWorkDisk();
    expect(await list()).not.toContain("old");
    format("new");
    await session.takeWorkDisk();
    expect(await list()).toEqual(["lost+found", "new"]);
    await runIn(session, ["touch", "/root/written"]);
    await session.releaseWorkDisk();
    expect(spawnSync("e2fsck", ["-fn", disk()]).status).toBe(0);
    await session.takeWorkDisk();
    expect(await list()).toContain("written");
  });

  test("that a process uses stays where it is", async () => {
    const child = await session.exec({
      argv: ["sh", "-c", "echo; exec sleep 60"],
      cwd: "/root",
      after: "agent",
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(session.releaseWorkDisk()).rejects.toThrow(/work disk: in use/);
    expect(await list()).toContain("old");
    child.signal(9);
    await child.exit;
    await session.releaseWorkDisk();
    await session.takeWorkDisk();
  });

  test("that is mounted in another namespace, too, stays where it is", async () => {
    const argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 60"];
    const child = await session.exec({ argv, cwd: "/", after: "agent" });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    await expect(session.releaseWorkDisk()).rejects.toThrow(/work disk: in use/);
    expect(await list()).toContain("old");
    child.signal(9);
    await child.exit;
  });

  test("that was not given back cannot be taken", async () => {
    await expect(session.takeWorkDisk()).rejects.toThrow(/work disk/);
  });
});
