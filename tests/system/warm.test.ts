/**
 * Templates under a jailed Firecracker: made in the background, gone on from, each clone somebody else, and nothing left of
 * any of it.
 */
import { beforeAll, expect, test } from "bun:test";
import { host, quote } from "./host.ts";
import { allOf, settledVms, tracesOf } from "./traces.ts";
import { slow, templates, tiny, warmBed } from "./warm-bed.ts";

const machine = await host();
const { prepare, shown, listed, templateOf, halfMade } = warmBed(machine);
const root = { user: "root" } as const;
const debian = "--memory 256M --vcpu 1 --disk-size 64M";
let nothing = "";

beforeAll(async () => {
  nothing = await prepare();
}, 400_000);

test("the first VM boots, a template is made, the next one goes on from it and runs its command", async () => {
  await machine.ok(`banger vm create --name first ${debian}`, slow);
  expect((await shown("first")).start).toEqual({
    how: "cold",
    why: "no template yet for this image and size",
  });
  await machine.ok("banger vm delete first", slow);
  const template = await templateOf(256);
  // What the making needed of the host is given back.
  expect(await allOf(machine)).toBe(nothing);
  expect(await halfMade()).toBe("");
  const { status, stdout, stderr } = await machine.run(
    `banger vm run --rm ${debian} -- sh -c 'hostname; exit 42'`,
    slow,
  );
  expect([status, stdout]).toEqual([42, expect.stringMatching(/^[a-z0-9-]+\n$/)]);
  expect(stderr).toContain("ready (warm)");
  expect(await allOf(machine)).toBe(nothing);
  await machine.ok(
    "mkdir repo && cd repo && git init -q && echo tracked > file && git add . && git -c user.name=t -c user.email=t@t commit -qm t",
  );
  const inRepo = await machine.run(`banger vm run --rm ${debian} ./repo -- git log --oneline -- file`, slow);
  expect([inRepo.status, inRepo.stdout]).toEqual([0, expect.stringMatching(/^[0-9a-f]+ t\n$/)]);
  expect(inRepo.stderr).toContain("ready (warm)");
  const stat = `stat -c '%n %U %a' ${templates}/${template}/memory ${templates}/${template}/state`;
  expect((await machine.ok(stat, root)).match(/dev 600/g)).toHaveLength(2);
}, 900_000);

/** What must not be the same in two guests, one a line; and their random streams. */
const secrets = `cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub
hostname; cat /sys/class/net/eth0/address; ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; ip -6 -o addr show eth0 | grep -o 'fe80[0-9a-f:]*'
for i in $(seq 50); do cat /proc/sys/kernel/random/uuid; done; head -c 32 /dev/urandom | od -An -tx1`;

test("two that go on at once are different guests, each at its own address on the bridge", async () => {
  const twins = ["twin-1", "twin-2"];
  await Promise.all(twins.map((name) => machine.ok(`banger vm create --nat --name ${name} ${debian}`, slow)));
  const vms = await Promise.all(twins.map(shown));
  for (const vm of vms) expect(vm.start).toMatchObject({ how: "warm" });
  const said = await Promise.all(
    twins.map((name) => machine.ok(`banger vm exec ${name} -- sh -c ${quote(secrets)}`, slow)),
  );
  const lines = said.map((text) => text.trim().split("\n"));
  expect(lines[0]?.length).toBeGreaterThan(56);
  expect(lines[0]?.length).toBe(lines[1]?.length);
  expect(lines[0]?.filter((line) => lines[1]?.includes(line))).toEqual([]);
  for (const [index, { ip }] of vms.entries()) {
    expect(said[index]).toContain(`${ip}\n`);
    expect(await machine.ok(`ping -c 1 -W 10 ${ip} >/dev/null && ip neigh show ${ip}`, slow)).toContain(
      lines[index]?.[4] ?? "",
    );
    const way = await machine.ok(`banger vm exec ${twins[index]} -- ip route get 10.0.2.2`, slow);
    expect(way).toContain(`via 172.16.0.1 dev eth0 src ${ip}`);
  }
  // Its sshd shows its own key, and the guest's clock is the host's.
  expect(await machine.ok("banger vm ssh twin-1 -- hostname", slow)).toBe("twin-1\n");
  const [inGuest = 0, outside = 0] = (await machine.ok("banger vm exec twin-2 -- date +%s; date +%s", slow))
    .trim()
    .split("\n")
    .map(Number);
  expect(Math.abs(outside - inGuest)).toBeLessThan(10);
  expect(await machine.ok("banger vm exec twin-2 -- systemctl is-system-running", slow)).toBe("running\n");
}, 900_000);

test("the disks of one are whole when it has been stopped, and it boots from them", async () => {
  await machine.ok("banger vm exec twin-1 -- sh -c 'echo kept > /kept; echo kept > /root/kept'", slow);
  await machine.ok("banger vm stop twin-1", slow);
  const { id } = await shown("twin-1");
  const checked = await machine.ok(
    `set -e; cd /var/lib/banger/vms/${id}; e2fsck -fn work.ext4
image=$(grep -l '"name": "debian-bookworm"' /var/lib/banger/images/*/manifest.json | xargs dirname)
low=$(losetup --find --show --read-only $image/rootfs.ext4); high=$(losetup --find --show root.cow)
dmsetup create look --readonly --table "0 $(blockdev --getsz $low) snapshot $low $high P 8"
e2fsck -fn /dev/mapper/look || status=$?; dmsetup remove --retry look; losetup -d $low $high; exit \${status:-0}`,
    { ...root, ...slow },
  );
  expect(checked).not.toContain("WARNING");
  await machine.ok("banger vm start twin-1", slow);
  expect((await shown("twin-1")).start).toEqual({
    how: "cold",
    why: "only the first start of a VM can go on from a template",
  });
  expect(await machine.ok("banger vm exec twin-1 -- cat /kept /root/kept", slow)).toBe("kept\nkept\n");
}, 600_000);

test("neither is gone when the template is: it is pruned under them", async () => {
  await machine.ok("banger template prune", slow);
  expect(await listed()).toEqual([]);
  await machine.ok("banger vm exec twin-2 -- sh -c 'ls -R /etc /usr/lib | md5sum'", slow);
  await machine.ok("banger vm delete twin-1 twin-2", slow);
  expect(await tracesOf(machine)).toBe("");
}, 400_000);

test("a template whose memory is damaged is removed, which is said once; the VM boots, and --cold does, too", async () => {
  await machine.ok(`banger vm run --rm ${tiny} -- true`, slow);
  const key = await templateOf(128);
  const memory = `${templates}/${key}/memory`;
  // As a failing disk would: no time changes with it.
  await machine.ok(
    `touch -r ${memory} /tmp/then; printf xxxx | dd of=${memory} bs=1 seek=20000000 conv=notrunc status=none; touch -r /tmp/then ${memory}`,
    root,
  );
  const { status, stdout, stderr } = await machine.run(`banger vm run --rm ${tiny} -- /bin/echo ran`, slow);
  expect([status, stdout]).toEqual([0, "ran\n"]);
  expect(stderr.match(/template .* damaged/g)).toHaveLength(1);
  expect(stderr).not.toContain("ready (warm)");
  await templateOf(128);
  await machine.ok(`banger vm create --cold --name told ${tiny}`, slow);
  expect((await shown("told")).start).toEqual({ how: "cold", why: "a cold start was asked for" });
  await machine.ok("banger vm delete told", slow);
  const again = await machine.run(`banger vm run --rm ${tiny} -- /bin/echo ran`, slow);
  expect([again.status, again.stderr.includes("ready (warm)")]).toEqual([0, true]);
}, 900_000);

test("a VM is paused, and goes on with its session and the right time", async () => {
  await machine.ok(`banger vm create --name still ${tiny}`, slow);
  await machine.ok("banger vm pause still", slow);
  expect((await shown("still")).state).toBe("paused");
  await machine.ok("sudo systemctl restart bangerd", slow);
  await settledVms(machine);
  expect((await shown("still")).state).toBe("paused");
  await machine.ok("banger vm resume still", slow);
  expect(await machine.ok("banger vm exec still -- /bin/echo here", slow)).toBe("here\n");
  await machine.ok("banger vm delete still", slow);
}, 600_000);

test("one guest waits, halted, and is the next VM, with the address that it has had; it ends with the daemon", async () => {
  await machine.ok(`rm ~/.config/banger/config.toml; banger daemon stop`, slow);
  await settledVms(machine);
  await machine.ok(`banger vm run --rm ${tiny} -- true`, slow);
  const waiting = async () => (await machine.ok("banger template list", slow)).match(/ 1$/m) !== null;
  const untilOneWaits = async () => {
    while (!(await waiting())) await Bun.sleep(500);
  };
  await untilOneWaits();
  expect(JSON.parse(await machine.ok("banger vm list --json", slow))).toEqual([]);
  const [pid] = (await machine.ok("pgrep -x firecracker", slow)).trim().split("\n");
  const { stderr } = await machine.run(`banger vm create --name taken ${tiny}`, slow);
  expect(stderr).toContain("(warm)");
  const taken = await shown("taken");
  expect(String(taken.pid)).toBe(pid ?? "");
  expect(await machine.ok("banger vm exec taken -- /bin/hostname", slow)).toBe("taken\n");
  expect(await machine.ok(`ping -c 1 -W 10 ${taken.ip} >/dev/null && echo answered`, slow)).toBe(
    "answered\n",
  );
  await machine.ok("banger vm delete taken", slow);
  await untilOneWaits();
  await machine.ok("sudo systemctl kill --signal=KILL bangerd");
  await settledVms(machine);
  await machine.ok("banger template prune", slow);
  expect(await allOf(machine)).toBe(nothing);
}, 600_000);

test("an uninstall takes all of it away", async () => {
  await machine.ok("sudo banger system uninstall", slow);
  expect(
    await machine.ok("ls /var/lib/banger-jail 2>/dev/null; pgrep -x firecracker; dmsetup ls", root),
  ).toBe("No devices found\n");
}, 400_000);
