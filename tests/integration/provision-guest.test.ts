/**
 * What images/provision-guest.sh does of a distribution, by shells that guests have. Package managers are programs of the
 * test's own, which write down how they were called, and bring what theirs would; the real ones are in
 * provision-managers.test.ts, and in tests/e2e.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const script = join(import.meta.dir, "../../images/provision-guest.sh");
/** What the script uses besides its shell. */
const tools = ["cat", "chmod", "grep", "ln", "readlink", "rm", "sed"];

let dir: string;
let root: string;
let bin: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-provision-"));
  root = join(dir, "root");
  bin = join(dir, "bin");
  for (const each of [bin, ...["etc/ssh", "sbin", "usr/sbin", "usr/lib/systemd"].map((at) => join(root, at))])
    mkdirSync(each, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

const write = (path: string, text: string) => writeFileSync(join(root, path), text);
const read = (path: string) => readFileSync(join(root, path), "utf8");
const has = (path: string) => existsSync(join(root, path));

function program(path: string, ...lines: string[]): void {
  writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
}

const sshd = '[ -e "$BANGER_ROOT/usr/sbin/sshd" ] || printf "#!/bin/sh\\n" > "$BANGER_ROOT/usr/sbin/sshd"';
const executable = 'chmod 0755 "$BANGER_ROOT"/usr/sbin/*';
const keys = 'echo secret > "$BANGER_ROOT/etc/ssh/ssh_host_rsa_key"';
const systemd = [
  'cp /bin/true "$BANGER_ROOT/usr/lib/systemd/systemd"',
  'ln -sf ../usr/lib/systemd/systemd "$BANGER_ROOT/sbin/init"',
];
const openrc = 'cp /bin/true "$BANGER_ROOT/sbin/openrc"';

/** A program in the PATH that writes its command line into `calls`; `lines` are done when it is to install. */
function fake(name: string, ...lines: string[]): void {
  program(
    join(bin, name),
    `echo "${name} $*" >> "${dir}/calls"`,
    "PATH=/usr/bin:/bin",
    `case " $* " in *" install "*|*" add --no-cache "*|*" -Syu "*)`,
    ...(lines.length === 0 ? [":"] : lines),
    ";; esac",
  );
}
const calls = () =>
  existsSync(join(dir, "calls")) ? readFileSync(join(dir, "calls"), "utf8").trim().split("\n") : [];

const shells: Record<string, { argv: string[]; tools: string }> = {
  dash: { argv: ["dash"], tools: "host" },
  bash: { argv: ["bash", "--posix"], tools: "host" },
  busybox: { argv: ["busybox", "sh"], tools: "busybox" },
};

describe.each(Object.entries(shells))("by %s", (_name, { argv, tools: whose }) => {
  const shell = Bun.which(argv[0] ?? "") ?? "";
  const run = () => {
    for (const tool of tools) {
      const its = whose === "busybox" ? Bun.which("busybox") : Bun.which(tool);
      if (!existsSync(join(bin, tool))) symlinkSync(its ?? "", join(bin, tool));
    }
    const { exitCode, stderr } = Bun.spawnSync([shell, ...argv.slice(1), script], {
      env: { PATH: bin, BANGER_ROOT: root },
    });
    return { status: exitCode, last: stderr.toString().trim().split("\n").at(-1) };
  };
  const enabled = [
    "systemctl --root=ROOT/ disable ssh.socket sshd.socket",
    "systemctl --root=ROOT/ enable ssh.service",
    "systemctl --root=ROOT/ mask getty@tty1.service serial-getty@hvc0.service serial-getty@ttyS0.service",
  ];
  const apt = [
    "apt-get -q -o Acquire::Languages=none update",
    "apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io install systemd systemd-sysv dbus openssh-server",
    "apt-get clean",
  ];
  const dnf = ["dnf -y --setopt=install_weak_deps=False install systemd openssh-server", "dnf clean all"];
  const microdnf = [
    "microdnf -y --setopt=install_weak_deps=0 install systemd openssh-server",
    "microdnf clean all",
  ];
  const zypper = ["zypper --non-interactive install --no-recommends systemd openssh", "zypper clean --all"];
  const pacman = ["pacman -Syu --noconfirm --needed systemd openssh", "pacman-conf CacheDir"];
  const cases: [string, string, string[], string[]][] = [
    ["Debian", 'PRETTY_NAME="Debian GNU/Linux"\nID=debian\n', ["apt-get", "dnf"], apt],
    ["what is like Debian", 'ID=linuxmint\nID_LIKE="ubuntu debian"\n', ["dnf", "apt-get"], apt],
    ["Fedora", "ID=fedora\n", ["apt-get", "dnf", "microdnf"], dnf],
    ["a minimal Fedora", "ID=fedora\n", ["apt-get", "microdnf"], microdnf],
    ["what is like RHEL", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["dnf"], dnf],
    ["Arch", "ID=arch\n", ["pacman", "pacman-conf"], pacman],
    ["openSUSE", 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', ["zypper"], zypper],
    ["a distribution that nobody knows", "ID=own\n", ["zypper"], zypper],
    ["none at all", "", ["pacman", "pacman-conf"], pacman],
  ];
  test.each(cases)(
    "%s: its own package manager installs, and sshd is enabled",
    (_of, release, managers, done) => {
      if (release !== "") write("etc/os-release", release);
      for (const name of managers) fake(name, ...systemd, sshd, executable, keys);
      fake("systemctl");
      write("etc/ssh/sshd_config", "PermitRootLogin no\n");
      expect(run()).toEqual({ status: 0, last: "" });
      expect(calls().map((line) => line.replace(root, "ROOT"))).toEqual([...done, ...enabled]);
      expect(readdirSync(join(root, "etc/ssh"))).toEqual(["sshd_config"]);
      expect(read("etc/ssh/sshd_config")).toBe("Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n");
      expect(has("usr/sbin/policy-rc.d")).toBe(false);
    },
  );

  test("Alpine gets OpenRC, and no login on terminals that are not there", () => {
    write("etc/os-release", "ID=alpine\n");
    symlinkSync("/bin/busybox", join(root, "sbin/init"));
    write("etc/inittab", "::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n");
    write("etc/shadow", "root:!::0:::::\nbin:!::0:::::\n");
    fake("apk", openrc, sshd, executable, 'printf "X\\n" > "$BANGER_ROOT/etc/ssh/sshd_config"');
    fake("rc-update");
    expect(run().status).toBe(0);
    expect(calls()).toEqual(["apk add --no-cache openrc openssh", "rc-update add sshd default"]);
    expect(read("etc/inittab")).toContain("\n#tty1::respawn");
    expect(read("etc/shadow")).toBe("root:*::0:::::\nbin:!::0:::::\n");
  });

  test("what is there already is not installed again, but enabled; a password and an Include stay", () => {
    write("etc/os-release", "ID=debian\n");
    symlinkSync("/usr/lib/systemd/systemd", join(root, "sbin/init"));
    program(join(root, "usr/sbin/sshd"));
    const config = "# first\nInclude /etc/ssh/sshd_config.d/*.conf\n";
    write("etc/ssh/sshd_config", config);
    write("etc/shadow", "root:$6$salt$hash:1:0:::::\n");
    fake("apt-get");
    fake("systemctl");
    expect(run().status).toBe(0);
    expect(calls().map((line) => line.replace(root, "ROOT"))).toEqual(enabled);
    expect([read("etc/ssh/sshd_config"), read("etc/shadow")]).toEqual([
      config,
      "root:$6$salt$hash:1:0:::::\n",
    ]);
  });

  test("an image's own word on what may be started stays", () => {
    write("etc/os-release", "ID=ubuntu\n");
    program(join(root, "usr/sbin/policy-rc.d"), "exit 0");
    fake("apt-get", ...systemd, sshd, executable);
    fake("systemctl");
    expect(run().status).toBe(0);
    expect(has("usr/sbin/policy-rc.d")).toBe(true);
  });

  test("zypper's remarks are no failures; that there is no such package is one", () => {
    write("etc/os-release", "ID=opensuse-tumbleweed\n");
    fake("systemctl");
    fake("zypper", "exit 104");
    expect(run()).toEqual({ status: 1, last: "zypper could not install an init and an ssh server" });
    fake("zypper", ...systemd, sshd, executable, "exit 107");
    expect(run().status).toBe(0);
    expect(calls()).toContain("zypper clean --all");
  });

  test("a failure is said in the last line", () => {
    expect(run()).toEqual({
      status: 1,
      last: "there is no package manager here that banger knows: apt-get, dnf, microdnf, apk, pacman or zypper",
    });
    write("etc/os-release", "ID=debian\n");
    fake("apt-get", "echo 'E: Unable to locate package systemd' >&2", "exit 100");
    expect(run()).toEqual({ status: 1, last: "apt-get could not install an init and an ssh server" });
    expect(has("usr/sbin/policy-rc.d")).toBe(false);
    fake("apt-get", ...systemd);
    expect(run()).toEqual({
      status: 1,
      last: "there still is no ssh server: apt-get has put nothing at /usr/sbin/sshd",
    });
  });
});
