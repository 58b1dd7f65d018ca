/**
 * images/provision-guest.sh with the package managers themselves: what they make of its options, and what it makes of how
 * they end. The distributions' packages are small ones of this test's, with Debian's systemd and sshd in them, and a script
 * that fails when it is installed, as scripts do that miss a machine around them.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Distribution, obstacle } from "./provision-managers.ts";

const why = obstacle();
const title = why === undefined ? "with their package managers" : `skipped, for ${why}`;

let dir: string;
let guest: Distribution;
beforeEach(() => {
  if (why !== undefined) return;
  dir = mkdtempSync(join(tmpdir(), "banger-managers-"));
  guest = new Distribution(dir);
}, 300_000);
afterEach(() => {
  if (why === undefined) rmSync(dir, { recursive: true });
});

interface Case {
  release: string;
  /** Has its packages come from `repository`, a URL; it is called -unsigned, -lacking or nothing at its end. */
  from(repository: string): void;
  manager: string;
  kind: string;
  /** What it has before, besides the key of who signs its packages. */
  before(): void;
  installed(): string[];
  packages: string[];
  /** Why it says that it does not install what nobody has signed, what is not there, and from where nobody answers. */
  unsigned: string;
  lacking: string;
  away: string;
}

const rpms = () =>
  guest
    .ok("rpm", "-qa", "--qf", "%{NAME}\\n")
    .split("\n")
    .filter((name) => name !== "gpg-pubkey" && name !== "")
    .sort();

const pacmanOptions = `[options]
HoldPkg = pacman
Architecture = auto
CheckSpace
DownloadUser = alpm
SigLevel = Required DatabaseOptional
`;

const cases: Record<string, Case> = {
  Fedora: {
    release: "ID=fedora\nVERSION_ID=42\n",
    from: (repository) =>
      guest.write(
        "etc/yum.repos.d/packages.repo",
        `[packages]\nname=packages\nbaseurl=${repository}\ngpgcheck=1\ngpgkey=file:///repo/key.asc\n`,
      ),
    ...{ manager: "dnf", kind: "rpm", before: () => {}, installed: rpms },
    packages: ["common", "openssh-server", "systemd"],
    unsigned: "Package systemd-1-1.noarch.rpm is not signed\n",
    lacking: "Unable to find a match: openssh-server\n",
    away: "Failed to connect to 127.0.0.1 port 1 ",
  },
  openSUSE: {
    release: 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
    from: (repository) =>
      guest.write(
        "etc/zypp/repos.d/packages.repo",
        `[packages]\nname=packages\nenabled=1\nautorefresh=1\nbaseurl=${repository.replace("file:", "dir:")}\n`,
      ),
    ...{ manager: "zypper", kind: "rpm", installed: rpms },
    before: () => guest.ok("rpm", "--import", "/repo/key.asc"),
    packages: ["common", "openssh", "openssh-server", "systemd"],
    unsigned: "Signature verification failed for repomd.xml\n",
    lacking: "No provider of 'openssh' found.\n",
    away: "Failed to connect to 127.0.0.1 port 1 ",
  },
  Arch: {
    release: "ID=arch\n",
    from: (repository) => {
      // Made in one second with the others, the list of packages would be taken for the one that it has.
      guest.ok("sh", "-c", "rm -f /var/lib/pacman/sync/* /var/cache/pacman/pkg/*");
      guest.write("etc/pacman.conf", `${pacmanOptions}[packages]\nServer = ${repository}\n`);
    },
    ...{ manager: "pacman", kind: "pacman" },
    before: () => {
      const trust =
        "gpg -q --list-keys --with-colons | sed -n 's/^fpr:*\\([0-9A-F]*\\):/\\1:6:/p' | gpg -q --import-ownertrust";
      const keys = `mkdir -p -m 0700 $GNUPGHOME && : > $GNUPGHOME/pubring.gpg && gpg -q --import /repo/key.asc && ${trust}`;
      guest.ok("env", "GNUPGHOME=/etc/pacman.d/gnupg", "sh", "-ec", keys);
      cases.Arch?.from("file:///repo/pacman-old");
      guest.ok("pacman", "-Sy", "--noconfirm", "base", "oldname");
    },
    installed: () =>
      guest
        .ok("pacman", "-Q")
        .split("\n")
        .filter((line) => !line.startsWith("warning: ")),
    // The whole is upgraded: base to its second version, oldname to what replaces it. Of two that would do, the first is taken.
    packages: ["base 2-1", "common 2-1", "newname 2-1", "one 2-1", "openssh 2-1", "systemd 2-1"],
    unsigned: "openssh-2-1-any.pkg.tar.zst.sig",
    lacking: "error: target not found: openssh\n",
    away: "Failed to connect to 127.0.0.1 port 1 ",
  },
};

/** All that there is, but for what managers remember, with sizes and targets. */
const listing = () => guest.ok("sh", "-c", "cd / && find etc usr sbin -printf '%p %y %m %s %l\\n' | sort");
const packagesKept = () => guest.ok("find", "/var/cache", "-name", "*.rpm", "-o", "-name", "*.pkg.tar*");

describe.skipIf(why !== undefined)(title, () => {
  describe.each(Object.entries(cases))("%s", (_name, its) => {
    const { manager, kind } = its;
    const failed = { status: 1, last: `${manager} could not install an init and an ssh server` };
    beforeEach(() => {
      guest.write("usr/lib/os-release", its.release);
      its.before();
    });

    test("installs what is needed and no more, of packages that are signed; and again, when it is there", () => {
      its.from(`file:///repo/${kind}`);
      const { status, text } = guest.provision();
      expect([status, text]).toEqual([0, text]);
      expect(its.installed()).toEqual(its.packages);
      expect(packagesKept()).toBe("");
      expect(guest.ok("readlink", "/sbin/init")).toBe("/usr/lib/systemd/systemd");
      const state = (unit: string) => guest.run("systemctl", "--root=/", "is-enabled", unit).text.trim();
      expect(["sshd.service", "getty@tty1.service", "serial-getty@ttyS0.service"].map(state)).toEqual([
        ...["enabled", "masked", "masked"],
      ]);

      // Real sshd reads what banger will write, although the package's file says otherwise.
      guest.write(
        "etc/ssh/sshd_config.d/00-test.conf",
        "PermitRootLogin prohibit-password\nHostKey /root/key\n",
      );
      guest.ok("sh", "-c", "mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /root/key");
      expect(guest.ok("/usr/sbin/sshd", "-T")).toContain("\npermitrootlogin without-password\n");

      const before = listing();
      expect(guest.provision().status).toBe(0);
      expect(listing()).toBe(before);
      // The packages are there, and something of them is not.
      guest.remove("sbin/init");
      expect(guest.provision().status).toBe(0);
      expect(its.installed()).toEqual(its.packages);
      expect(listing()).toBe(before);
    }, 120_000);

    test("says why not, installs nothing, and does it when that has changed", () => {
      const had = its.installed();
      for (const [repository, reason] of [
        [`http://127.0.0.1:1/${kind}`, its.away],
        [`file:///repo/${kind}-unsigned`, its.unsigned],
        [`file:///repo/${kind}-lacking`, its.lacking],
      ] as const) {
        its.from(repository);
        const { status, last, text } = guest.provision();
        expect({ status, last }).toEqual(failed);
        expect(text).toContain(reason);
        expect(its.installed()).toEqual(had);
      }
      its.from(`file:///repo/${kind}`);
      expect(guest.provision().status).toBe(0);
      expect(its.installed()).toEqual(its.packages);
    }, 120_000);
  });

  test("openSUSE: a repository that does not answer is no failure when what is needed is in another", () => {
    const its = cases.openSUSE;
    guest.write("usr/lib/os-release", its?.release ?? "");
    its?.before();
    its?.from("file:///repo/rpm");
    const away = "[away]\nname=away\nenabled=1\nautorefresh=1\nbaseurl=http://127.0.0.1:1/away\n";
    guest.write("etc/zypp/repos.d/away.repo", away);
    guest.ok(
      "sh",
      "-c",
      "zypper --non-interactive install --no-recommends systemd || [ $? = 106 ] || [ $? = 107 ]",
    );
    const { status, text } = guest.provision();
    expect([status, text]).toEqual([0, text]);
    expect(its?.installed()).toEqual(its?.packages);
  }, 120_000);
});
