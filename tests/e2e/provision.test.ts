/**
 * A Debian that has neither systemd nor sshd, as container images are, provisioned and booted. The container is made with
 * mmdebstrap and umoci, and kept in build/e2e; what is installed in the VM comes from this machine's own mirror.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { debianMirror } from "../../src/apt/apt.ts";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { Banger, root } from "./fixture.ts";
import { sayLayer } from "./say.ts";

const banger = new Banger();
const name = "provisioned";
const layout = join(root, "build/e2e/debian-container");
const images = async (): Promise<{ name: string; kind: string }[]> =>
  JSON.parse(await banger.ok(["image", "list", "--json"]));
const atWork = async () => (await images()).filter((image) => image.name.startsWith("provisioning-"));

/** What systemd and sshd need besides themselves: a guest under emulation takes minutes to unpack it. */
const needed = [
  ...[
    "dbus",
    "openssh-client",
    "mount",
    "procps",
    "ucf",
    "libsystemd-shared",
    "libcryptsetup12",
    "libfdisk1",
  ],
  ...["libkmod2", "libapparmor1", "libip4tc2", "libwrap0"],
];

/** The lists of packages stay in it, too: apt has only to ask whether they are the newest. */
function makeContainer(): void {
  const day = 24 * 3600_000;
  if (existsSync(layout) && Date.now() - statSync(layout).mtimeMs < 7 * day) return;
  rmSync(layout, { recursive: true, force: true });
  const { archive, keyring } = debianMirror(undefined);
  const tar = join(banger.dir, "root.tar");
  const made = join(banger.dir, "layout");
  const without = ["doc", "man", "locale"].map((what) => `--dpkgopt=path-exclude=/usr/share/${what}/*`);
  const source = `deb [signed-by=${keyring}] ${archive} bookworm main`;
  const mmdebstrap = [
    "--variant=apt",
    `--include=${needed.join()}`,
    "--skip=cleanup/apt/lists",
    ...without,
    "bookworm",
    tar,
    source,
  ];
  execFileSync("mmdebstrap", ["--quiet", ...mmdebstrap], { stdio: ["ignore", "inherit", "inherit"] });
  const umoci = (...words: string[]) => execFileSync("umoci", words, { stdio: "ignore" });
  umoci("init", "--layout", made);
  umoci("new", "--image", `${made}:t`);
  umoci("raw", "add-layer", "--image", `${made}:t`, tar);
  umoci(
    "config",
    "--image",
    `${made}:t`,
    "--config.env",
    "GREETING=hello there",
    "--config.workingdir",
    "/srv",
  );
  execFileSync("cp", ["-r", made, `${layout}.new`]);
  renameSync(`${layout}.new`, layout);
}

beforeAll(async () => {
  await banger.image();
  makeContainer();
  await banger.run(["image", "delete", name]);
}, 1_200_000);
afterAll(async () => {
  await banger.run(["image", "delete", name]);
  await banger.close();
}, 60_000);

test("an image that has no shell cannot be provisioned, and leaves nothing", async () => {
  const plain = join(banger.dir, "plain");
  writeLayout(plain, buildImage([sayLayer(banger.dir)]));
  const { status, stdout, stderr } = await banger.run([
    ...["image", "pull", `oci:${plain}:t`, "--name", name, "--provision"],
  ]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`${name} could not be provisioned`);
  expect(stderr).toContain("without --provision it boots");
  expect((await images()).filter((image) => image.name === name)).toEqual([]);
  expect([await atWork(), await banger.vms()]).toEqual([[], []]);
}, 300_000);

test("a provisioned image boots systemd, and there is vm ssh; it is still the container that it was", async () => {
  const pull = ["image", "pull", `oci:${layout}:t`, "--name", name, "--provision"];
  expect(await banger.ok(pull, { timeoutMs: 600_000 })).toBe(`${name}\n`);
  expect([await atWork(), await banger.vms()]).toEqual([[], []]);
  const twice = await banger.run(pull);
  expect(twice.stderr).toContain(`there is an image ${name} already`);

  await banger.ok([
    "vm",
    "create",
    "--name",
    "machine",
    "--image",
    name,
    "--memory",
    "512M",
    "--disk-size",
    "64M",
  ]);
  const exec = async (...words: string[]) =>
    (await banger.ok(["vm", "exec", "machine", "--", ...words])).trim();
  expect(await exec("cat", "/proc/1/comm")).toBe("systemd");
  expect(await exec("sh", "-c", "echo $GREETING; pwd; ls -A /root")).toBe(
    "hello there\n/srv\n.ssh\nlost+found",
  );
  // The only host key is the VM's own, which its known_hosts has.
  const ssh = ["vm", "ssh", "machine", "--", "ls", "/etc/ssh"];
  expect((await banger.ok(ssh)).split("\n").filter((file) => file.startsWith("ssh_host_"))).toEqual([
    "ssh_host_ed25519_key",
    "ssh_host_ed25519_key.pub",
  ]);
  const began = Date.now();
  await banger.ok(["vm", "stop", "machine"]);
  expect(Date.now() - began).toBeLessThan(25_000);
  await banger.ok(["vm", "delete", "machine"]);
  const shown = JSON.parse(await banger.ok(["image", "show", name]));
  expect(shown).toMatchObject({
    kind: "provisioned",
    oci: { reference: `oci:${layout}:t`, workingDir: "/srv" },
  });
}, 900_000);
