/** A guest whose agent does not answer: banger goes by ssh, says so, and comes back to the agent when it can. */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";

const machine = await host();
const slow = { timeoutMs: 400_000 } as const;
const shown = async () => JSON.parse(await machine.ok("banger vm show --json mute"));
const told = "the guest agent does not answer";

/** The agent is the process of this name; a child of its own that stays when it is stopped sends the signal. */
const signalAgent = (signal: string, afterS: number) =>
  `banger vm exec mute -- sh -c 'setsid sh -c "sleep ${afterS}; pkill -${signal} -f ^@banger-agent" </dev/null >/dev/null 2>&1 &'`;

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok("banger vm create --name mute --memory 512M --vcpu 1", slow);
}, 500_000);

test("by the agent nothing is said", async () => {
  const { status, stderr } = await machine.run("banger vm exec mute -- true", slow);
  expect([status, stderr]).toEqual([0, ""]);
  expect((await shown()).channel).toEqual({ by: "agent", because: null });
  await machine.ok("banger vm ssh mute -- true", slow);
}, 400_000);

test("when the agent hangs, commands go by ssh with their streams and statuses, and the user is told", async () => {
  await machine.ok(signalAgent("STOP", 1), slow);
  // Longer than an agent is taken to answer after it was heard of.
  await Bun.sleep(20_000);
  const command = "'echo out; echo err >&2; exit 42'";
  const first = await machine.run(`banger vm exec mute -- sh -c ${command}`, slow);
  expect([first.status, first.stdout]).toEqual([42, "out\n"]);
  expect(first.stderr).toContain(told);
  expect(first.stderr).toEndWith("err\n");
  expect((await shown()).channel).toEqual({ by: "ssh", because: "the agent does not answer" });
  const killed = await machine.run("banger vm exec mute -- sh -c 'kill -TERM $$'", slow);
  expect(killed.status).toBe(143);
  const input = await machine.run("banger vm exec mute -- wc -c", { ...slow, input: "x".repeat(300_000) });
  expect(input.stdout).toBe("300000\n");
  const openssh = await machine.run("banger vm ssh mute -- echo in", slow);
  expect([openssh.status, openssh.stdout]).toEqual([0, "in\n"]);
  expect(openssh.stderr).toContain(told);
}, 600_000);

test("the agent is asked again, and is the way as soon as it answers", async () => {
  await machine.ok("banger vm exec mute -- pkill -CONT -f ^@banger-agent", slow);
  await Bun.sleep(12_000);
  const { status, stderr } = await machine.run("banger vm exec mute -- true", slow);
  expect([status, stderr]).toEqual([0, ""]);
  expect((await shown()).channel.by).toBe("agent");
}, 400_000);

test("another host key than the VM's own is not talked to", async () => {
  await machine.ok(signalAgent("STOP", 1), slow);
  await Bun.sleep(20_000);
  const { id } = await shown();
  const key = `/var/lib/banger/vms/${id}/ssh_host_ed25519_key.pub`;
  await machine.ok(`cp ${key} own.pub; rm -f k k.pub; ssh-keygen -q -t ed25519 -N '' -f k; cp k.pub ${key}`);
  const { status, stderr } = await machine.run("banger vm exec mute -- true", slow);
  expect(status).toBe(1);
  expect(stderr).toContain("host key is not the one");
  await machine.ok(`cp own.pub ${key}`);
}, 400_000);

test("a stop is orderly by ssh, and says how", async () => {
  await machine.ok(
    "banger vm exec mute -- sh -c 'echo kept > /root/kept; pkill -CONT -f ^@banger-agent'",
    slow,
  );
  await Bun.sleep(12_000);
  await machine.ok(signalAgent("STOP", 1), slow);
  await Bun.sleep(20_000);
  // What the daemon has is a session with an agent that hangs: the stop itself finds that out.
  expect((await shown()).channel.by).toBe("agent");
  const { status, stderr } = await machine.run("banger vm stop mute", slow);
  expect(status).toBe(0);
  expect(stderr).toContain(told);
  expect(await shown()).toMatchObject({ state: "stopped", channel: null, lastError: null });
  expect(await machine.ok("grep -c 'did not power itself off' /var/lib/banger/bangerd.log; true")).toBe(
    "0\n",
  );
  await machine.ok("banger vm start mute", slow);
  expect(await machine.ok("banger vm exec mute -- cat /root/kept", slow)).toBe("kept\n");
  await machine.ok("banger vm delete mute", slow);
}, 600_000);
