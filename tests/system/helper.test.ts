/** The root helper of an installed host: what it refuses its owner, with the real device-mapper and systemd-resolved. */
import { beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { VmId } from "../../src/base/ids.ts";
import { mapperName } from "../../src/helper/names.ts";
import type { Question, Reply } from "./helper/ask.ts";
import { host } from "./host.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 400_000 } as const;
const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
let vm: VmId;
let image: string;

const ask = async (...questions: Question[]): Promise<Reply[]> =>
  JSON.parse(
    await machine.script(join(import.meta.dir, "helper/ask.ts"), [JSON.stringify(questions)], {
      user: "dev",
    }),
  );
const traces = () => machine.ok("dmsetup table; losetup -n -O NAME,BACK-FILE | sort", root);
const cow = () => `/var/lib/banger/vms/${vm}/root.cow`;

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok(`banger vm create --no-start --name asked ${small}`, slow);
  const shown = JSON.parse(await machine.ok("banger vm show --json asked"));
  vm = VmId.parse(shown.id);
  image = shown.image.id;
}, 600_000);

test("a device that only has the VM's name is left alone: not used, not removed", async () => {
  await machine.ok(`dmsetup create ${mapperName(vm)} --table '0 8 zero'`, root);
  const before = await traces();
  const [attached, checked, flushed, detached] = await ask(
    ["disk.attach", { vm, image }],
    ["disk.check", { vm }],
    ["disk.flush", { vm }],
    ["disk.detach", { vm }],
  );
  expect(attached).toMatchObject({ refused: "denied", message: expect.stringContaining("is not this VM's") });
  expect(checked).toMatchObject({ refused: "precondition" });
  expect(flushed).toMatchObject({ refused: "precondition" });
  expect(detached).toEqual({ result: {} });
  expect(await traces()).toBe(before);
  await machine.ok(`dmsetup remove ${mapperName(vm)}`, root);
});

test.each([
  ["a link to a file of root's", (path: string) => `ln -s /etc/shadow ${path}`],
  ["a second name of another file", (path: string) => `touch ${path}.other && ln ${path}.other ${path}`],
  ["a pipe", (path: string) => `mkfifo ${path}`],
  ["a directory", (path: string) => `mkdir ${path}`],
])("a layer that is %s is refused, and nothing is attached", async (_what, make) => {
  await machine.ok(`mv ${cow()} ${cow()}.kept; ${make(cow())}`);
  const before = await traces();
  const [attached] = await ask(["disk.attach", { vm, image }]);
  expect(attached).toMatchObject({ refused: "denied" });
  expect(await traces()).toBe(before);
  await machine.ok(`rm -rf ${cow()} ${cow()}.other; mv ${cow()}.kept ${cow()}`);
});

test("a layer of garbage, or one that was cut short, makes no machine, and harms nothing", async () => {
  for (const damage of [
    `head -c 65536 /dev/urandom | dd of=${cow()} conv=notrunc status=none`,
    `truncate -s 4096 ${cow()}`,
  ]) {
    await machine.ok(`cp --sparse=always ${cow()} ${cow()}.kept; ${damage}`);
    const before = await traces();
    const { status, stderr } = await machine.run("banger vm start asked", slow);
    expect([status, stderr]).toEqual([1, expect.stringContaining("is damaged")]);
    expect(await traces()).toBe(before);
    await machine.ok(`mv ${cow()}.kept ${cow()}`);
  }
});

test("a machine runs as the owner, without a capability or a way to one, behind Firecracker's seccomp filters", async () => {
  await machine.ok("banger vm start asked", slow);
  const { pid } = JSON.parse(await machine.ok("banger vm show --json asked"));
  const lines = await machine.ok(
    `grep -hE '^(Uid|Gid|Groups|CapPrm|CapEff|CapInh|CapAmb|NoNewPrivs|Seccomp):' /proc/${pid}/task/*/status | sort | uniq`,
    root,
  );
  const none = "0000000000000000";
  expect(
    Object.fromEntries(
      lines
        .trim()
        .split("\n")
        .map((line) => line.split(/:\s+/)),
    ),
  ).toEqual({
    ...{ Uid: "1000\t1000\t1000\t1000", Gid: "1000\t1000\t1000\t1000", Groups: "" },
    ...{ CapPrm: none, CapEff: none, CapInh: none, CapAmb: none, NoNewPrivs: "1", Seccomp: "2" },
  });
  // Its root is the jail: what a guest that has taken over Firecracker sees of the host.
  const seen = await machine.ok(
    `find /proc/${pid}/root/ -maxdepth 1 -mindepth 1 -printf '%f\\n' | sort | xargs`,
    root,
  );
  expect(seen.trim()).toBe("dev firecracker firecracker.pid initramfs.cpio root.dev run vmlinux work.ext4");
}, 400_000);

test("resolved asks a name server for .vm and for nothing else, until that is taken back", async () => {
  // The machine of the test before runs on: resolved asks nobody by way of a bridge without a carrier.
  // bangerd has had it ask its own, at the usual port.
  const port = 42_469;
  await machine.ok(
    `cat > /srv/name-server.ts && systemd-run --quiet --unit name-server --setenv=BUN_BE_BUN=1 \
/home/dev/banger run /srv/name-server.ts ${port} /srv/asked
until ss -Hlun | grep -q ':${port} '; do sleep 0.2; done`,
    { ...root, input: await Bun.file(join(import.meta.dir, "helper/name-server.ts")).text() },
  );
  await ask(["resolver.clear", {}]);
  const before = await machine.ok("resolvectl status br-fc");
  expect(await ask(["resolver.route", { port: 80 }])).toMatchObject([{ refused: "bad_request" }]);
  expect(await ask(["resolver.route", { port }])).toEqual([{ result: { asks: true } }]);
  expect((await machine.ok("getent hosts known.vm")).split(/\s+/).slice(0, 2)).toEqual([
    "203.0.113.77",
    "known.vm",
  ]);
  expect((await machine.run("getent hosts unknown.vm")).status).not.toBe(0);
  await machine.run("resolvectl query --cache=no elsewhere.example");
  const asked = (await machine.ok("sort -u /srv/asked")).trim().split("\n");
  expect(asked).toEqual(["known.vm", "unknown.vm"]);
  expect(await ask(["resolver.clear", {}], ["resolver.clear", {}])).toEqual([{ result: {} }, { result: {} }]);
  expect(await machine.ok("resolvectl status br-fc")).toBe(before);
});

test("what was refused is in the helper's journal", async () => {
  const journal = await machine.ok("journalctl -u bangerd-root -o cat", root);
  expect(journal).toContain("is not this VM's");
});
