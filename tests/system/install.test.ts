/** Installing, replacing, restarting and removing the services on a real systemd, and what of it is left. */
import { expect, test } from "bun:test";
import { host } from "./host.ts";

const machine = await host();
const root = { user: "root", timeoutMs: 300_000 } as const;
const installed = "/usr/local/bin/banger";

/** What an installation may touch, as text: files with checksums, units, links, rules, devices, settings. */
const snapshot = async () =>
  (
    await machine.ok(
      `find / -xdev '(' -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
-o -path /var/lib/systemd -o -path /home/dev/.local -o -path /srv ')' -prune -o -printf '%p %M %u:%g %l\\n' | sort
find /run -xdev -maxdepth 2 -name 'banger*'
find /etc /usr/local -xdev -type f -exec sha256sum {} + | sort -k2
systemctl list-unit-files --no-pager --no-legend | sort
systemctl list-units --all --no-pager --plain --no-legend 'banger*'
ip -br link; ip -br address; ip rule; ip route; nft list ruleset; iptables-save | grep -v '^#' || true
losetup -a; dmsetup ls; ls -d /sys/fs/cgroup/banger* 2>/dev/null || true
sysctl -a 2>/dev/null | grep -E '^net\\.(ipv4\\.(ip_forward|conf)|ipv6\\.conf|bridge)|^kernel\\.(core_pattern|modprobe)'`,
      root,
    )
  ).split("\n");

/** What is on one side only. */
const difference = (before: readonly string[], after: readonly string[]) => ({
  gone: before.filter((line) => !after.includes(line)),
  left: after.filter((line) => !before.includes(line)),
});
const nothing = { gone: [], left: [] };

const install = (owner = "dev", program = "./banger") =>
  machine.run(`sudo ${program} system install --owner ${owner}`, { timeoutMs: 300_000 });
const status = async () =>
  JSON.parse((await machine.run(`${installed} system status --json`)).stdout) as {
    well: boolean;
    install: { owner: string; version: string };
    services: { unit: string; active: string; enabled: boolean; answer: { pid: number } | null }[];
  };

// Modules and their nodes come with the first installation, and stay until the next boot: they belong to "before".
await machine.ok("modprobe -a loop dm_mod dm_snapshot tun bridge kvm; useradd other", root);
// So does the mark that sudo leaves in the home of who uses it.
await machine.ok("sudo true");
const before = await snapshot();

test("an ordinary user is refused, and told the line that does it", async () => {
  const { status: exit, stderr } = await machine.run("./banger system install --owner dev");
  expect([exit, stderr]).toEqual([
    1,
    "banger: banger system install needs root\n  hint: sudo /home/dev/banger system install --owner dev\n",
  ]);
});

test("for root, for nobody and for what is no name as owner nothing is done", async () => {
  for (const owner of ["root", "nobody-at-all", "'dev\nUser=root'"])
    expect((await install(owner)).status).toBe(1);
  expect(difference(before, await snapshot())).toEqual(nothing);
});

test("install returns when both services answer, under their sandboxes", async () => {
  const { status: exit, stdout, stderr } = await install();
  expect([exit, stderr]).toEqual([0, "starting bangerd-root and bangerd\n"]);
  expect(stdout).toMatch(/^owner: +dev \(uid 1000\)$/m);
  const { well, services } = await status();
  expect([well, services.map(({ active, enabled }) => [active, enabled])]).toEqual([
    true,
    [
      ["active", true],
      ["active", true],
    ],
  ]);
  for (const unit of ["bangerd", "bangerd-root"]) {
    const pid = (await machine.ok(`systemctl show --property=MainPID --value ${unit}`)).trim();
    const facts = await machine.ok(`grep -E '^(Uid|CapBnd|NoNewPrivs|Seccomp):' /proc/${pid}/status`, root);
    const capabilities = unit === "bangerd" ? "0000000000000000" : "00000000082430eb";
    expect(facts.split("\n").map((line) => line.split("\t")[1])).toEqual([
      unit === "bangerd" ? "1000" : "0",
      capabilities,
      "1",
      "2",
      undefined,
    ]);
  }
});

test("the owner's commands talk to the system's daemon, everybody else's to their own", async () => {
  const said = JSON.parse(await machine.ok(`${installed} daemon status --json`));
  expect([said.mode, said.socket]).toEqual(["system", "/run/banger/bangerd.sock"]);
  expect(said.modeReason).toBe("the system services are installed for you (/etc/banger/install.toml)");
  expect(JSON.parse(await machine.ok(`${installed} daemon status --json`, root)).mode).toBe("system");
  const other = await machine.ok(
    `setpriv --reuid=65534 --regid=65534 --clear-groups ${installed} daemon socket`,
    root,
  );
  expect(other).not.toContain("/run/banger/");
});

test("an install over it replaces it in place, one for another owner is refused", async () => {
  const pid = (await status()).services[1]?.answer?.pid;
  await machine.ok("echo precious > /var/lib/banger/vms/kept");
  expect((await install()).status).toBe(0);
  const now = await status();
  expect(now.well).toBe(true);
  expect(now.services[1]?.answer?.pid).not.toBe(pid);
  expect(await machine.ok("cat /var/lib/banger/vms/kept; rm /var/lib/banger/vms/kept")).toBe("precious\n");
  const refused = await install("other");
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("installed for dev already")]);
});

test("an install that fails leaves the older one, running", async () => {
  const older = (await snapshot()).filter(
    (line) => line.includes("/usr/local/") || line.includes("/etc/systemd/"),
  );
  // Nothing fits where the executable goes.
  const failing = await machine.run(
    `sudo unshare --mount sh -c 'mount -t tmpfs -o size=1M none /usr/local/bin && exec ./banger system install --owner dev'`,
    { timeoutMs: 300_000 },
  );
  expect(failing.status).toBe(1);
  const after = (await snapshot()).filter(
    (line) => line.includes("/usr/local/") || line.includes("/etc/systemd/"),
  );
  expect(difference(older, after)).toEqual(nothing);
  expect((await status()).well).toBe(true);
});

test("restart brings back what was killed, and daemon stop too", async () => {
  await machine.ok("systemctl kill --signal=KILL bangerd bangerd-root", root);
  expect((await machine.run(`sudo ${installed} system restart`, { timeoutMs: 300_000 })).status).toBe(0);
  expect((await status()).well).toBe(true);
  await machine.ok(`${installed} daemon stop && ${installed} vm list`);
});

test("what does not answer is not started by a command", async () => {
  await machine.ok("systemctl stop bangerd", root);
  const { status: exit, stderr } = await machine.run(`${installed} vm list`);
  expect([exit, stderr]).toEqual([1, expect.stringContaining("hint: sudo banger system restart")]);
  expect((await machine.run(`${installed} system status`)).status).toBe(1);
});

test("a Firecracker that banger installed comes before the host's own; without any, that is said, and mended without a restart", async () => {
  const other = "/usr/local/lib/banger/firecracker";
  const driver = async () => {
    const { driverUsable, driverReason, driverHint } = JSON.parse(
      await machine.ok(`${installed} daemon status --json`),
    );
    return [driverUsable, driverReason, driverHint];
  };
  await machine.ok(
    "mkdir /root/away && mv /usr/local/bin/firecracker /usr/local/bin/jailer /root/away/",
    root,
  );
  await machine.run(`sudo ${installed} system restart`, root);
  const missing = [false, "Firecracker is not installed", "install it: sudo banger firecracker install"];
  expect(await driver()).toEqual(missing);
  const run = await machine.run(`${installed} vm create`);
  expect([run.status, run.stderr]).toEqual([
    1,
    expect.stringMatching(new RegExp(`${missing[1]} \\(\\w+\\)\n  hint: ${missing[2]}`)),
  ]);
  // As `banger firecracker install` leaves it; the archive itself cannot be had here.
  await machine.ok(
    `mkdir -p ${other}/1.12.1-test && cp /root/away/* ${other}/1.12.1-test/ && ln -s 1.12.1-test ${other}/current`,
    root,
  );
  expect(await driver()).toEqual([true, null, null]);
  // No file of a test's in the home: it would be a difference.
  await machine.giveStore({ warm: true });
  const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
  const { status: exit } = await machine.run(
    `${installed} vm run --rm --cold ${small} -- /bin/sh -c 'exit 7'`,
    {
      timeoutMs: 300_000,
    },
  );
  expect(exit).toBe(7);
  await machine.ok("mv /root/away/* /usr/local/bin/ && rmdir /root/away", root);
});

test("uninstall keeps the owner's data, and the next install finds them", async () => {
  const { status: exit, stderr } = await machine.run(`sudo ${installed} system uninstall`, root);
  expect([exit, stderr]).toEqual([
    0,
    "kept: /var/lib/banger, /var/cache/banger, /usr/local/lib/banger/firecracker (--purge removes them too)\n",
  ]);
  await machine.ok(
    "test -e /var/lib/banger/banger.db -a ! -e /usr/local/bin/banger -a ! -e /etc/banger",
    root,
  );
  expect((await install()).status).toBe(0);
});

test("uninstall --purge leaves the host as it was", async () => {
  expect((await machine.run("sudo ./banger system uninstall --purge", { timeoutMs: 300_000 })).status).toBe(
    0,
  );
  expect(difference(before, await snapshot())).toEqual(nothing);
});

test("an install that is killed anywhere is finished by the next, and removed by an uninstall", async () => {
  for (const seconds of [2, 5, 9]) {
    await machine.run(`sudo timeout --signal=KILL ${seconds} ./banger system install --owner dev`, {
      timeoutMs: 300_000,
    });
    if (seconds === 5) expect((await install()).status).toBe(0);
    expect((await machine.run("sudo ./banger system uninstall --purge", { timeoutMs: 300_000 })).status).toBe(
      0,
    );
    expect(difference(before, await snapshot())).toEqual(nothing);
  }
});
