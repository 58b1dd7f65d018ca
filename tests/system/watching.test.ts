/** Watching VMs of an installed host, the table, ssh by name; and what is left of one that nobody uses: an image. */
import { beforeAll, expect, test } from "bun:test";
import { host, quote } from "./host.ts";
import { hasLines, livingBed } from "./living-bed.ts";
import { settledVms, tracesOf } from "./traces.ts";

const machine = await host();
const { run, ok, exec, record, interrupted } = livingBed(machine, "watched");

beforeAll(async () => {
  await machine.giveStore();
  await ok("sudo ./banger system install --owner dev");
  await ok("banger vm create --name watched --memory 768M --vcpu 1");
  await exec("head -c 1000000 /dev/urandom > /srv/bytes; echo kept > /srv/kept");
  await ok(
    "mkdir -p tree/sub && echo x > tree/sub/-rf && chmod 640 tree/sub/-rf && ln -s /etc/shadow tree/link",
  );
}, 600_000);

test("ping, stats, logs and events tell of it", async () => {
  expect(await ok("banger vm ping watched")).toMatch(/^watched: its agent answers in [0-9.]+ ms\n$/);
  const [stats] = await record("banger vm stats watched");
  expect(stats.guest.memoryTotalBytes).toBeGreaterThan(600 * 1024 ** 2);
  expect(stats.host.residentBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(stats.network.sentBytes).toBeGreaterThan(0);
  expect(await interrupted("banger vm stats --watch --json", hasLines("out", 2))).toBe(0);
  expect(
    (await ok("cat out"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)[0].vm.name),
  ).toContain("watched");

  await exec("echo first > /dev/console; echo second > /dev/console");
  await ok("until banger vm logs watched | grep -q second; do sleep 1; done");
  expect(await interrupted("banger vm logs -f --tail 1 watched", hasLines("out", 1))).toBe(130);
  expect(await ok("tr -d '\\r' < out")).toBe("second\n");
  expect((await run("banger vm logs --source vmm watched")).status).toBe(0);
  const daemon = (await ok("banger vm logs --source daemon watched")).trim().split("\n");
  expect(daemon.map((line) => JSON.parse(line).message).slice(0, 2)).toEqual(["vm.created", "vm.started"]);
  const events = (await ok("banger events --json --since 1h --no-follow")).trim().split("\n");
  const happened = events
    .map((line) => JSON.parse(line))
    .map(({ kind, subject }) => `${kind} ${subject?.name}`);
  expect(happened).toEqual(expect.arrayContaining(["vm.created watched", "vm.started watched"]));
}, 600_000);

const tmux = (words: string) => ok(`TERM=xterm tmux -S ~/tmux -f /dev/null ${words}`);
const keys = (...words: string[]) => tmux(`send-keys -t table ${words.map(quote).join(" ")}`);
const sees = (what: string) =>
  ok(`until tmux -S ~/tmux capture-pane -p -t table | grep -qE ${quote(what)}; do sleep 0.5; done`);

test("the table stops it, starts it, and opens a shell in it", async () => {
  await tmux(`new-session -d -s table -x 90 -y 15 "env PS1='host> ' bash --norc --noprofile"`);
  await sees("host>");
  await keys("banger tui", "Enter");
  await sees("^> +watched +running .*%.* / ");
  await keys("Enter");
  await sees("root@watched");
  await keys("stty size; exit", "Enter");
  await sees("banger: 1 VM, 1 running");
  await keys("x");
  await sees("^> +watched +stopped");
  await keys("S");
  await sees("^> +watched +running");
  await keys("q");
  await sees("host> *$");
  await keys("echo left with $?", "Enter");
  await sees("left with 0");
  await tmux("kill-server");
}, 900_000);

test("ssh, scp and rsync reach it by its name", async () => {
  await ok("banger ssh-config --install");
  expect(await ok("ssh watched.vm hostname")).toBe("watched\n");
  await ok(
    "scp -q watched.vm:/srv/bytes . && scp -q bytes watched.vm:/srv/by-scp && rsync -a tree/ watched.vm:/srv/by-rsync/",
  );
  expect(
    await ok(
      "rsync -ai tree/ watched.vm:/srv/by-rsync/; rsync -a watched.vm:/srv/by-rsync/ home; diff -r --no-dereference tree home",
    ),
  ).toBe("");
  expect(await exec("cmp /srv/bytes /srv/by-scp; readlink /srv/by-rsync/link")).toBe("/etc/shadow\n");
  await ok("banger ssh-config --uninstall");
}, 900_000);

test("a VM that nobody uses is stopped, and what was in it is an image; a repository's tools can be left alone", async () => {
  const restart = "banger daemon stop && until banger daemon status >/dev/null 2>&1; do sleep 1; done";
  await ok(`sed -i '1i auto_stop_stale_after = "45s"' ~/.config/banger/config.toml && ${restart}`);
  await ok("until banger vm list --json | jq -e '.[0].state == \"stopped\"' >/dev/null; do sleep 3; done");
  expect((await record("banger vm show watched")).lastError).toContain("45s");
  await ok(`sed -i 1d ~/.config/banger/config.toml && ${restart}`);
  await ok("banger image save watched mine");
  await ok(
    "mkdir repo && cd repo && git init -q && printf '[tools]\\nnode = \"path:./node\"\\n' > mise.toml && git add -A && git -c user.name=t -c user.email=t@t commit -qm t",
  );
  const words = "--image mine --memory 512M --vcpu 1 --no-bootstrap ./repo";
  const script = "cat /srv/kept; command -v node";
  expect(await ok(`banger vm run --rm ${words} -- sh -c ${quote(script)}`)).toBe("kept\n/usr/bin/node\n");
}, 900_000);

test("nothing of it is left", async () => {
  await ok("banger vm delete watched && banger image delete mine");
  expect(await settledVms(machine)).toEqual([]);
  expect(await tracesOf(machine)).toBe("");
}, 400_000);
