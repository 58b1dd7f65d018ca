/** Who the agent runs commands as: with lists of users of its own in place of this host's, in a mount namespace. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestSession, openAgentSession } from "../../src/guest/guest.ts";
import { agentMissing, bytesOf, dialAgent, runIn } from "./agent-fixture.ts";

const binary = join(import.meta.dir, "../../build/native/agent");
/** The host's, but for /etc, which is a directory of the test's. */
const script = `mount --make-rprivate / && mount --bind "$1/etc" /etc && exec "$2" --socket "$1/s" --run "$1"`;

function namespacesMissing(): string | undefined {
  if (agentMissing !== undefined) return agentMissing;
  if (process.getuid?.() !== 0) return "needs root";
  const probe = spawnSync("unshare", ["--mount", "true"]);
  return probe.status === 0 ? undefined : `cannot make namespaces: ${probe.stderr}`;
}
const missing = namespacesMissing();
if (missing !== undefined) console.warn(`agent user tests skipped: ${missing}`);

const passwd = `root:x:0:0:root:/root:/bin/bash
# a comment: with:colons:in:it:and:all
app:x:1234:2345:An App:/home/app:/bin/sh
app:x:0:0:the second of a name is nobody:/root:/bin/sh
1500:x:1600:1600:digits:/home/digits:/bin/sh
twin:x:1234:9999:the second of an id:/home/twin:/bin/sh
homeless:x:1300:1300:::
high:x:4294967294:4294967294::/high:/bin/sh
`;
const group = `root:x:0:
app:x:2345:
wheel:x:10:root,app
audio:x:29:app
again:x:29:app
video:x:44:apple,app2, app
1700:x:1800:app
other:x:55:twin
`;

const asked = { argv: ["sh", "-c", "id -u; id -g; cat /proc/self/status | grep ^Groups"] };

describe.skipIf(missing !== undefined)("the agent runs a command as", () => {
  let dir: string;
  let agent: ChildProcess;
  let session: GuestSession;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "banger-agent-"));
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, "etc"));
    mkdirSync(join(dir, "closed"), { mode: 0o700 });
    const unshare = ["--mount", "--fork", "--kill-child", "sh", "-c", script, "sh", dir, binary];
    agent = spawn("unshare", unshare, { stdio: ["ignore", "inherit", "inherit"] });
    session = await openAgentSession(await dialAgent(join(dir, "s")), { handshakeTimeoutMs: 5000 });
  });
  afterAll(async () => {
    session.close();
    const gone = new Promise((resolve) => agent.once("exit", resolve));
    agent.kill("SIGKILL");
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });

  /** uid, gid and the supplementary groups, or the status and what was complained of. */
  async function become(
    user: string,
    lists: { passwd?: string | Buffer | undefined; group?: string | Buffer | undefined } = { passwd, group },
  ) {
    for (const name of ["passwd", "group"] as const) {
      const content = lists[name];
      rmSync(join(dir, "etc", name), { recursive: true, force: true });
      if (content !== undefined) writeFileSync(join(dir, "etc", name), content);
    }
    const { status, stdout, stderr } = await runIn(session, asked.argv, { user });
    if (status !== 0) return { status, stderr };
    const [uid, gid, groups = ""] = stdout.trim().split("\n");
    return { id: `${uid}:${gid}`, groups: groups.slice("Groups:".length).trim() };
  }

  const refused = (why: string, user: string) => ({
    status: 126,
    stderr: `banger: cannot run as the user ${user}: ${why}\nbanger: to run as root: --user root\n`,
  });

  test("who says so in the hello", () => {
    expect(session.hello.runsAsUsers).toBe(true);
  });

  test.each([
    ["app", "1234:2345", "10 29 1800"],
    ["1234", "1234:2345", "10 29 1800"],
    ["app:", "1234:2345", "10 29 1800"],
    ["app:audio", "1234:29", ""],
    ["app:77", "1234:77", ""],
    ["1234:wheel", "1234:10", ""],
    ["app:1700", "1234:1700", ""],
    // Digits are an id, whoever is called so.
    ["1500", "1500:0", ""],
    ["twin", "1234:9999", "55"],
    ["homeless", "1300:1300", ""],
    ["7777", "7777:0", ""],
    ["7777:8888", "7777:8888", ""],
    ["7777:audio", "7777:29", ""],
    ["4294967294", "4294967294:4294967294", ""],
    ["root", "0:0", "10"],
    ["0", "0:0", "10"],
    ["00", "0:0", "10"],
    ["", "0:0", "10"],
    [":audio", "0:29", ""],
    ["root:app", "0:2345", ""],
  ])("%j: %s, groups %j", async (user, id, groups) => {
    expect(await become(user)).toEqual({ id, groups });
  });

  const noUser = "the VM's /etc/passwd has no user ";
  const noGroup = "the VM's /etc/group has no group ";
  const noId = "ids are 0 to 4294967294";
  test.each([
    ["nobody-here", `${noUser}nobody-here`],
    ["App", `${noUser}App`],
    ["app ", `${noUser}app `],
    ["ap", `${noUser}ap`],
    ["# a comment", `${noUser}# a comment`],
    ["+1234", `${noUser}+1234`],
    ["0x4d2", `${noUser}0x4d2`],
    ["app:nogroup", `${noGroup}nogroup`],
    ["app:audio:x", `${noGroup}audio:x`],
    ["nobody-here:audio", `${noUser}nobody-here`],
    ["-1", noId],
    ["app:-1", noId],
    ["4294967295", noId],
    ["1:4294967295", noId],
    ["4294967296", noId],
    ["18446744073709551616", noId],
    [`${"9".repeat(5000)}`, noId],
  ])("nobody by %.40j", async (user, why) => {
    expect(await become(user)).toEqual(refused(why, user));
  });

  test.each([
    ["no colons", "app"],
    ["too few fields", "app:x:1:1::/"],
    ["too many", "app:x:1:1::/:/bin/sh:"],
    ["no id", "app:x:::::"],
    ["no name", ":x:1:1:::"],
    ["-1", "app:x:-1:1:::"],
    ["the id that means none", "app:x:4294967295:1:::"],
    ["an id that would be 0", "app:x:4294967296:4294967296:::"],
    ["an id of 64 bits that would be 0", "app:x:18446744073709551616:0:::"],
    ["hexadecimal", "app:x:0x10:1:::"],
    ["a sign", "app:x:+5:1:::"],
    ["a space", "app:x: 5:1:::"],
    ["a group that is none", "app:x:5:-1:::"],
    ["a carriage return for a line's end", "x:x:1:1:::\rapp:x:5:5:::"],
    ["a zero", "app:x:5:5:\0::"],
    ["nothing", ""],
  ])("nobody of a line with %s", async (_, line) => {
    expect(await become("app", { passwd: line, group })).toEqual(refused(`${noUser}app`, "app"));
    // And the line after it counts.
    const good = `${line}\napp:x:1234:2345:::`;
    expect(await become("app", { passwd: good, group: undefined })).toEqual({ id: "1234:2345", groups: "" });
  });

  test.each(["wheel", "wheel:x:10", "wheel:x:-1:", "wheel:x:4294967295:", "wheel:x:10::", "wheel:x:\0:"])(
    "no group of the line %j",
    async (line) => {
      expect(await become("app:wheel", { passwd, group: line })).toEqual(
        refused(`${noGroup}wheel`, "app:wheel"),
      );
      expect(await become("app", { passwd, group: `${line}app` })).toEqual({ id: "1234:2345", groups: "" });
    },
  );

  test("a number, without any list of users", async () => {
    const none = { passwd: undefined, group: undefined };
    expect(await become("1000", none)).toEqual({ id: "1000:0", groups: "" });
    expect(await become("1000:1001", none)).toEqual({ id: "1000:1001", groups: "" });
    expect(await become("root:5", none)).toEqual({ id: "0:5", groups: "" });
    expect(await become("app", none)).toEqual(refused(`${noUser}app`, "app"));
    expect(await become("1000:app", none)).toEqual(refused(`${noGroup}app`, "1000:app"));
  });

  test("nobody, with lists that are no files, or too large", async () => {
    mkdirSync(join(dir, "etc/keep"), { recursive: true });
    await become("1000", { passwd: undefined, group: undefined });
    mkdirSync(join(dir, "etc/passwd"));
    const outcome = await runIn(session, asked.argv, { user: "1000" });
    expect(outcome).toMatchObject(refused("/etc/passwd: Invalid argument", "1000"));
    rmSync(join(dir, "etc/passwd"), { recursive: true });
    spawnSync("mkfifo", [join(dir, "etc/passwd")]);
    expect(await runIn(session, asked.argv, { user: "1000" })).toMatchObject({ status: 126 });
    const large = Buffer.alloc((16 << 20) + 1, "a");
    expect(await become("app", { passwd: large, group })).toEqual(
      refused("/etc/passwd: File too large", "app"),
    );
  });

  test("the last of a million, one of ten thousand members, one of a line without an end", async () => {
    const many = Buffer.concat([Buffer.alloc(15 << 20, "u:x:9:9:::\n"), Buffer.from("\napp:x:1234:2345:::")]);
    const members = Array.from({ length: 10_000 }, (_, index) => `someone${index}`).join(",");
    const crowd = `crowd:x:66:${members},app\n${"x".repeat(1 << 20)}`;
    expect(await become("app", { passwd: many, group: crowd })).toEqual({ id: "1234:2345", groups: "66" });
  });

  test("one of as many groups as the kernel takes, and of no more", async () => {
    const groups = (count: number) =>
      Array.from({ length: count }, (_, index) => `g:x:${index + 1}:app\n`).join("");
    const most = await become("app", { passwd, group: groups(1000) });
    expect(most.groups?.split(" ")).toHaveLength(1000);
    expect(await become("app", { passwd, group: groups(65_537) })).toEqual(
      refused("it is in too many groups", "app"),
    );
  }, 60_000);

  async function envOf(user: string, env: Record<string, string> = {}) {
    await become(user);
    const { stdout } = await runIn(session, ["env"], { user, env });
    const all = Object.fromEntries(stdout.split("\n").map((line) => line.split("=", 2)));
    return { HOME: all.HOME, USER: all.USER, LOGNAME: all.LOGNAME, SHELL: all.SHELL };
  }

  test("a user with their own home and name, unless the request says otherwise", async () => {
    const app = { HOME: "/home/app", USER: "app", LOGNAME: "app", SHELL: undefined };
    expect(await envOf("app")).toEqual(app);
    expect(await envOf("1234:audio")).toEqual(app);
    expect(await envOf("app", { HOME: "/elsewhere" })).toEqual({ ...app, HOME: "/elsewhere" });
    expect(await envOf("7777")).toEqual({ HOME: "/", USER: undefined, LOGNAME: undefined, SHELL: undefined });
    expect((await envOf("homeless")).HOME).toBe("/");
  });

  test("root without a user, with root's environment as ever", async () => {
    await become("app", { passwd: undefined, group: undefined });
    const { stdout } = await runIn(session, ["sh", "-c", "id -u; echo $HOME $USER $SHELL"]);
    expect(stdout).toBe("0\n/root root /bin/bash\n");
  });

  test("somebody who has no way back, and no rights of root's", async () => {
    await become("app");
    const status = await runIn(session, ["grep", "-E", "^(Uid|Gid|Cap(Prm|Eff|Amb))", "/proc/self/status"], {
      user: "app",
    });
    expect(status.stdout).toBe(
      `Uid:\t${Array(4).fill("1234").join("\t")}\nGid:\t${Array(4).fill("2345").join("\t")}\n${["Prm", "Eff", "Amb"].map((set) => `Cap${set}:\t${"0".repeat(16)}\n`).join("")}`,
    );
    const shadow = await runIn(session, ["ls", join(dir, "closed")], { user: "app" });
    expect(shadow.status).not.toBe(0);
  });

  test("nobody where the directory is closed to them, which it says", async () => {
    await become("app");
    const cwd = join(dir, "closed");
    const outcome = await runIn(session, ["pwd"], { user: "app", cwd });
    expect(outcome).toEqual({
      status: 126,
      stdout: "",
      stderr: `banger: ${cwd}: Permission denied\nbanger: the command runs as the user app; to run as root: --user root\n`,
    });
    expect((await runIn(session, ["pwd"], { cwd })).stdout).toBe(`${cwd}\n`);
  });

  test("somebody whose own the three streams are", async () => {
    await become("app");
    const line = "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin";
    const outcome = await runIn(session, ["sh", "-c", line], { user: "app", input: "in\n" });
    expect(outcome).toEqual({ status: 0, stdout: "out\nin\n", stderr: "err\n" });
  });

  test("the owner of the terminal, which has /dev/tty and job control", async () => {
    await become("app");
    const line =
      "stat -Lc %u /dev/stdin; echo by name >$(tty); echo tty >/dev/tty; set -m; (exit 7) & wait $!; echo $?";
    const child = await session.exec({
      ...{ argv: ["bash", "-c", line], cwd: "/", after: "agent" as const, user: "app" },
      tty: { columns: 80, rows: 24, term: "dumb" },
    });
    child.stdin.end();
    const said = (await bytesOf(child.stdout)).toString();
    expect(said).toMatch(/^1234\r\nby name\r\ntty\r\n\[1\].*\r\n7\r\n$/);
    expect(await child.exit).toBe(0);
  });
});
