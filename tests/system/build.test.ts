/**
 * Building an image under the services. A whole build takes half an hour here; these go as far as the namespace, which
 * is what a sandbox gets in the way of first, and are then cut off in every way.
 * The host fetches from the mirror that it was itself made from.
 */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";

const machine = await host();
const root = { user: "root", timeoutMs: 300_000 } as const;
const slow = { timeoutMs: 1_200_000 } as const;

/** Everything of a build: its service, processes of its users, its files, what it has put into the store. */
const traces = () =>
  machine.ok(
    `systemctl list-units --all --plain --no-legend 'bangerd-build@*'
ps -eo uid=,args= | awk '$1 >= 100000'; pgrep -a mmdebstrap
ls -d /var/tmp/systemd-private-*bangerd-build* /tmp/systemd-private-*bangerd-build* 2>/dev/null
ls -A /var/lib/banger/images; true`,
    root,
  );

/** systemd has a moment more to do when the command has ended already. */
async function nothingIsLeft(): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until && (await traces()) !== ""; ) {
    await Bun.sleep(500);
  }
  expect(await traces()).toBe("");
}

/** Builds until the log says `stage`, or the command has ended; then does `deed`. The command's status and last words. */
async function buildUntil(stage: string, deed: string) {
  // Jobs of a shell without job control do not get SIGINT.
  const { stdout, status } = await machine.run(
    `set -m; banger image pull debian-bookworm >/dev/null 2>pull.log & pull=$!
while kill -0 $pull 2>/dev/null && ! { ${stage}; }; do sleep 1; done
${deed}; wait $pull; echo $?; tail -n 2 pull.log`,
    slow,
  );
  expect(status).toBe(0);
  const [exit, ...said] = stdout.trimEnd().split("\n");
  return { exit: Number(exit), said: said.join("\n") };
}

/** Not the question for its version, which bangerd asks before. */
const begun = "ps -eo args= | grep -q '^/usr/bin/perl /usr/bin/mmdebstrap --variant'";
const builder = "systemctl show --property=MainPID --value 'bangerd-build@*'";

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("rm -rf /var/lib/banger/images/*", root);
  await machine.ok("sudo ./banger system install --owner dev", slow);
}, 1_200_000);

test("what the host lacks is said, with the line that adds it", async () => {
  await machine.ok("mv /usr/bin/mmdebstrap /srv/", root);
  expect(await buildUntil("false", ":")).toEqual({
    exit: 1,
    said: expect.stringMatching(
      /mmdebstrap is not installed .*\n {2}hint: install it: sudo apt-get install mmdebstrap uidmap$/,
    ),
  });
  await nothingIsLeft();
  await machine.ok("mv /srv/mmdebstrap /usr/bin/", root);
}, 1_200_000);

test("packages are unpacked in the build's namespace; Ctrl-C takes everything back", async () => {
  // Unpacked by a user of the namespace, whom only newuidmap can have let into it.
  const stage = "ps -eo uid=,comm= | grep -qE '^ *1[0-9]{5} (dpkg|tar)'";
  expect((await buildUntil(stage, "kill -INT $pull")).exit).toBe(130);
  await nothingIsLeft();
}, 1_200_000);

test("a builder that is killed is an error that says where to look, and leaves nothing", async () => {
  const { exit, said } = await buildUntil(begun, `sudo kill -9 $(${builder})`);
  expect([exit, said]).toEqual([1, expect.stringContaining("the connection to bangerd-build was lost")]);
  expect(said).toContain("hint: see why: journalctl -u 'bangerd-build@*'");
  await nothingIsLeft();
}, 1_200_000);

test("a build ends with the daemon that asked for it", async () => {
  const { exit } = await buildUntil(begun, "sudo systemctl restart bangerd");
  expect(exit).toBe(1);
  await nothingIsLeft();
}, 1_200_000);

test("an uninstall ends a build", async () => {
  const { exit } = await buildUntil(begun, "sudo banger system uninstall 2>/dev/null");
  expect(exit).toBe(1);
  await nothingIsLeft();
}, 1_200_000);
