/** VMs by their names on an installed host: the real systemd-resolved, curl and ssh, and what is taken back. */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 400_000 } as const;
const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
const status = async () => JSON.parse(await machine.ok("banger daemon status --json"));
const link = () => machine.ok("resolvectl status br-fc");
const told = /~vm|127\.0\.0\.1/;

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  // As long as one runs, resolved asks by way of the bridge.
  await machine.ok(`banger vm create --name other ${small}`, slow);
  await machine.ok("banger vm create --name named --memory 512M --vcpu 1", slow);
}, 800_000);

test("the host's programs find a running VM by its name, and nobody else's names are asked for here", async () => {
  expect((await status()).names).toEqual({ server: "127.0.0.1:42069", routed: true });
  const { ip } = JSON.parse(await machine.ok("banger vm show named --json"));
  expect((await machine.ok("getent ahostsv4 Named.VM")).split(/\s+/)[0]).toBe(ip);
  const serve = "cd /srv && echo hello > page && setsid python3 -m http.server 3000 >/dev/null 2>&1 &";
  await machine.ok(`banger vm exec named -- sh -c '${serve}'`, slow);
  const asked = "curl -sS --retry 60 --retry-delay 1 --retry-connrefused http://named.vm:3000/page";
  expect(await machine.ok(asked, slow)).toBe("hello\n");
  expect(await link()).toMatch(told);
}, 500_000);

test("ssh goes there with banger's configuration, and the person's own is theirs again afterwards", async () => {
  await machine.ok("mkdir -m 0700 -p ~/.ssh && printf 'Host *\\n  User nobody' > ~/.ssh/config");
  await machine.ok("banger ssh-config --install");
  expect(await machine.ok("ssh named.vm hostname", slow)).toBe("named\n");
  await machine.ok("banger ssh-config --uninstall");
  expect(await machine.ok("cat ~/.ssh/config")).toBe("Host *\n  User nobody");
}, 500_000);

test("resolved asks again after its own restart, and after the daemon was killed", async () => {
  await machine.ok("systemctl restart systemd-resolved", root);
  await machine.ok("getent hosts named.vm");
  await machine.ok("kill -9 $(systemctl show -P MainPID bangerd)", root);
  await machine.ok("until banger daemon status; do sleep 1; done >/dev/null 2>&1", slow);
  await machine.ok("until getent hosts named.vm; do sleep 1; done", slow);
}, 500_000);

test("a VM that has stopped has no name", async () => {
  await machine.ok("banger vm stop named", slow);
  const { status, stderr } = await machine.run("resolvectl query named.vm", slow);
  expect([status, stderr]).toEqual([1, expect.stringContaining("not found")]);
  await machine.ok("getent hosts other.vm");
}, 400_000);

test("when the daemon ends, resolved is told to forget it", async () => {
  await machine.ok("systemctl stop bangerd", root);
  expect(await link()).not.toMatch(told);
  await machine.ok("systemctl start bangerd", root);
  await machine.ok("banger vm delete named other", slow);
}, 400_000);
