/** install.sh of a release, as its page says it, on a host with a real systemd and a real sudo. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { executable, updateBed } from "../integration/update-fixture.ts";
import { host, quote } from "./host.ts";
import { releasesAt, serveReleases } from "./releases.ts";

const machine = await host();
const root = { user: "root", timeoutMs: 300_000 } as const;
const slow = { timeoutMs: 600_000 } as const;
const small = "--image tiny --memory 256M --vcpu 1 --disk-size 64M";

const bed = await updateBed(releasesAt);
afterAll(() => bed.end());

beforeAll(async () => {
  await bed.release("0.2.0", await executable("0.2.0"), "2026-11-20T10:00:00Z");
  await serveReleases(machine, bed);
  await machine.giveStore();
}, 900_000);

const line = (options = "") => `curl -fsSL ${releasesAt}install.sh | bash${options && ` -s -- ${options}`}`;
/** On a terminal, where `answer` is typed. */
const typed = (answer: string, options = "") =>
  machine.run(`script -qec ${quote(line(options))} /dev/null`, { ...slow, input: `${answer}\n` });
/** What there is of banger's, outside of what the test has put there. */
const traces = () =>
  machine.ok(
    "ls -d /usr/local/bin/banger /usr/local/lib/banger /etc/banger /etc/systemd/system/bangerd* 2>&1 || true",
  );
const nothing = /^(ls: cannot access [^\n]*\n)+$/;
async function builds(): Promise<string[]> {
  const { stdout } = await machine.run("banger system status --json", slow);
  const { services } = JSON.parse(stdout) as { services: { answer: { version: string } | null }[] };
  const link = (await machine.ok("banger --version")).split(" ")[1] ?? "";
  return [link, ...services.map(({ answer }) => `v${answer?.version ?? "silent"}`)];
}
const all = (version: string) => [version, version, version];

test("nothing is installed for who says no, or has no terminal to say it on", async () => {
  const no = await typed("n");
  expect([no.status, no.stdout]).toEqual([1, expect.stringContaining("nothing was installed")]);
  const mute = await machine.run(line(), slow);
  expect([mute.status, mute.stderr]).toEqual([1, expect.stringContaining("--yes")]);
  expect(await traces()).toMatch(nothing);
}, 900_000);

test("the one line of the README installs the services, and a VM runs", async () => {
  const yes = await typed("y");
  expect([yes.status, yes.stdout]).toEqual([0, expect.stringContaining("banger system install --owner dev")]);
  expect(await builds()).toEqual(all("v0.2.0"));
  expect(await machine.ok("systemctl is-enabled bangerd bangerd-root")).toBe("enabled\nenabled\n");
  expect(await machine.ok(`banger vm run --rm ${small} -- /bin/echo from a release`, slow)).toBe(
    "from a release\n",
  );
}, 900_000);

test("a newer release takes its place, and a VM runs on; no other tarball than the signed one does", async () => {
  await machine.ok(`banger vm create --name kept ${small}`, slow);
  const pid = async () => JSON.parse(await machine.ok("banger vm show --json kept", slow)).pid;
  const before = await pid();
  await bed.release("0.3.0", await executable("0.3.0"), "2026-11-22T10:00:00Z");
  await machine.ok("systemctl stop releases && rm -r /srv/releases", root);
  await serveReleases(machine, bed);
  const tarball = "/srv/releases/0.3.0/banger-0.3.0-linux-amd64.tar.gz";
  await machine.ok(
    `cp ${tarball} /srv/good && printf x | dd of=${tarball} bs=1 seek=5000000 conv=notrunc status=none`,
    root,
  );
  const refused = await machine.run(line("--yes"), slow);
  expect([refused.status, refused.stderr]).toEqual([
    1,
    expect.stringContaining("not the one that was signed"),
  ]);
  expect(await builds()).toEqual(all("v0.2.0"));
  await machine.ok(`mv /srv/good ${tarball}`, root);
  await machine.ok(line("--yes"), slow);
  expect([await builds(), await pid()]).toEqual([all("v0.3.0"), before]);
}, 900_000);

test("an older one does only for who names it", async () => {
  await machine.ok(
    `sed -i 's/"latest_stable": "0.3.0"/"latest_stable": "0.2.0"/' /srv/releases/manifest.json`,
    root,
  );
  const refused = await machine.run(line("--yes"), slow);
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("--version v0.2.0")]);
  expect(await builds()).toEqual(all("v0.3.0"));
  await machine.ok(line("--yes --version v0.2.0"), slow);
  expect(await builds()).toEqual(all("v0.2.0"));
}, 900_000);

test("uninstall takes all of it away", async () => {
  await machine.ok("banger vm delete kept", slow);
  await machine.ok("sudo banger system uninstall --yes", slow);
  expect(await traces()).toMatch(nothing);
}, 900_000);
