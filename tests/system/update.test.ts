/**
 * `banger update` of installed services, from a release server in the host itself: with a VM that runs on, to a release that
 * is broken, and through power cuts. BANGER_POWER_CUTS=20 has that many (default 2).
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { executable, updateBed } from "../integration/update-fixture.ts";
import { host } from "./host.ts";
import { releasesAt, serveReleases } from "./releases.ts";
import { settledVms } from "./traces.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 600_000 } as const;
const small = "--image tiny --memory 256M --vcpu 1 --disk-size 64M";
const releases = `--manifest-url ${releasesAt}manifest.json --pubkey-file /srv/release.pub`;
const cuts = Number(process.env.BANGER_POWER_CUTS ?? 2);

const bed = await updateBed();
afterAll(() => bed.end());

beforeAll(async () => {
  await bed.release("0.2.0", await executable("0.2.0"), "2026-11-20T10:00:00Z");
  await bed.release("0.2.1", await executable("0.2.1", "daemon"), "2026-11-21T10:00:00Z");
  await bed.release("0.3.0", await executable("0.3.0"), "2026-11-22T10:00:00Z");
  await serveReleases(machine, bed);
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok("sync", root);
}, 900_000);

const update = (words = "") => machine.run(`sudo banger update ${releases} ${words}`, slow);
/** What is installed, by all who say so; undefined while a service does not answer. */
async function builds(): Promise<string[]> {
  const { stdout } = await machine.run("banger system status --json", slow);
  const { install, services } = JSON.parse(stdout) as {
    install: { version: string };
    services: { answer: { version: string } | null }[];
  };
  const link = (await machine.ok("banger --version")).split(" ")[1] ?? "";
  return [link, `v${install.version}`, ...services.map(({ answer }) => `v${answer?.version ?? "silent"}`)];
}
const all = (version: string) => [version, version, version, version];
const versions = async () => (await machine.ok("ls /usr/local/lib/banger/versions")).trim().split("\n");

test("without root it only looks", async () => {
  expect(await machine.ok(`banger update --check ${releases}`)).toStartWith(
    "v0.3.0 is to be had (signed on 2026-11-22); v0.1.0 is installed",
  );
  const { status, stderr } = await machine.run(`banger update ${releases}`);
  expect([status, stderr]).toEqual([
    1,
    "banger: banger update needs root\n  hint: sudo /usr/local/bin/banger update\n",
  ]);
});

test("a VM runs on through an update, and both services are of the new version", async () => {
  await machine.ok(`banger vm create --name kept ${small}`, slow);
  const shown = async () => JSON.parse(await machine.ok("banger vm show --json kept", slow));
  const { pid } = await shown();
  await machine.ok("banger vm exec kept -- /bin/sh -c 'echo one > /kept; sync'", slow);
  const before = await machine.ok("grep -E '^(owner|uid|installed_at)' /etc/banger/install.toml");
  const { status, stdout, stderr } = await update("--to v0.2.0");
  expect({ status, stdout }, stderr).toEqual({
    status: 0,
    stdout: "v0.2.0 is installed (signed on 2026-11-20)\n",
  });
  expect(await builds()).toEqual(all("v0.2.0"));
  expect(await versions()).toEqual(["0.2.0-0badcafe"]);
  expect(await machine.ok("grep -E '^(owner|uid|installed_at)' /etc/banger/install.toml")).toBe(before);
  expect((await shown()).pid).toBe(pid);
  expect(await machine.ok("banger vm exec kept -- /bin/cat /kept", slow)).toBe("one\n");
  expect(await machine.ok("zcat -f /usr/local/share/man/man1/banger.1 | grep -c 0.2.0")).not.toBe("0\n");
}, 900_000);

test("while its owner has a command under way it is refused, and nothing is downloaded", async () => {
  const command = machine.run("banger vm exec kept -- /bin/sleep 3000", { timeoutMs: 40_000 });
  await machine.ok("until banger vm exec kept -- /bin/pidof sleep; do :; done", slow);
  const { status, stderr } = await update();
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^banger: banger is in use: a command in a VM \(guest\.exec, /),
  ]);
  await command;
  expect(await builds()).toEqual(all("v0.2.0"));
}, 900_000);

test("a release whose daemon does not start is rolled back, with its first error; the VM runs on", async () => {
  const { status, stderr } = await update("--to v0.2.1 --force");
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /banger: the update to v0\.2\.1 failed, and was rolled back to v0\.2\.0: bangerd does not start: .*the moon is not full/,
  );
  expect(await builds()).toEqual(all("v0.2.0"));
  expect(await versions()).toEqual(["0.2.0-0badcafe"]);
  expect(await machine.ok("banger vm exec kept -- /bin/cat /kept", slow)).toBe("one\n");
}, 900_000);

test("two versions do not work together: the helper refuses nothing, the daemon and the commands say so", async () => {
  // As an update would leave it that was killed between the link and the services.
  await machine.ok(
    `set -e; cd /usr/local/lib/banger/versions; mkdir 0.1.0-x; cp /home/dev/banger 0.1.0-x/banger
ln -sfn /usr/local/lib/banger/versions/0.1.0-x/banger /usr/local/bin/.new; mv -T /usr/local/bin/.new /usr/local/bin/banger
systemctl restart bangerd-root`,
    { ...root, ...slow },
  );
  const cli = await machine.run("banger vm list", slow);
  expect([cli.status, cli.stderr]).toEqual([
    1,
    expect.stringContaining("the system daemon is another build of banger (0.2.0"),
  ]);
  const daemon = await machine.run("/usr/local/lib/banger/versions/0.2.0-0badcafe/banger vm stop kept", slow);
  expect([daemon.status, daemon.stderr]).toEqual([1, expect.stringContaining("bangerd-root is 0.1.0")]);
  await machine.ok(
    "ln -sfn /usr/local/lib/banger/versions/0.2.0-0badcafe/banger /usr/local/bin/banger && banger system restart",
    {
      ...root,
      ...slow,
    },
  );
  expect(await builds()).toEqual(all("v0.2.0"));
}, 900_000);

test(`${cuts} power cuts`, async () => {
  await machine.ok("banger vm delete kept; sync", slow);
  const seen: string[] = [];
  for (let cut = 0; cut < cuts; cut += 1) {
    const to = seen.length % 2 === 0 ? "v0.3.0" : "v0.2.0";
    const started = update(`--to ${to}`).catch(() => undefined);
    // Somewhere between the first thing that it writes and the last.
    const begun = "test -e /usr/local/lib/banger/updates/pending.json";
    const changed = `banger --version | grep -q 'banger ${to} '`;
    const at = [begun, changed, `{ ${changed} && sleep 4; }`, `! ${begun}`][cut % 4];
    await machine.run(`until ${begun}; do :; done; timeout 200 bash -c "until ${at}; do :; done"`, slow);
    await machine.powerCut();
    await started;
    const version = (await machine.ok("banger --version", slow)).split(" ")[1] ?? "";
    expect(["v0.2.0", "v0.3.0"]).toContain(version);
    await machine.ok("timeout 300 sh -c 'until banger vm list; do sleep 1; done'", slow);
    const [link, , helper, daemon] = await builds();
    expect([link, helper, daemon], `cut ${cut + 1}`).toEqual([version, version, version]);
    const next = await update(`--to ${to}`);
    // It may have come to its end before the cut.
    expect(next.stderr + next.stdout).toMatch(/is installed/);
    expect(await builds(), `cut ${cut + 1}`).toEqual(all(to));
    expect(await versions()).toEqual([`${to.slice(1)}-0badcafe`]);
    expect(await settledVms(machine)).toEqual([]);
    seen.push(version);
    process.stderr.write(`    cut ${cut + 1}: ${version} of ${to}\n`);
  }
}, 3_600_000);
