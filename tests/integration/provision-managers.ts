/**
 * A tree with the package managers of other distributions, as Debian packages them, and signed repositories for them. Trees
 * are made of the host's own mirror by mmdebstrap, which unpacks, and installs nothing; nothing of them runs but in
 * namespaces of its own, without a network. They are kept in build/provision for a week.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { debianMirror } from "../../src/apt/apt.ts";
import { toBangerError } from "../../src/base/base.ts";

const kept = join(import.meta.dir, "../../build/provision");
const makeRepositories = readFileSync(join(import.meta.dir, "provision-repositories.sh"), "utf8");
const script = join(import.meta.dir, "../../images/provision-guest.sh");
const week = 7 * 24 * 3600_000;

const packages = [
  ...[
    "base-files",
    "bash",
    "dash",
    "coreutils",
    "sed",
    "grep",
    "mawk",
    "findutils",
    "tar",
    "gzip",
    "zstd",
    "util-linux",
  ],
  ...["dnf", "zypper", "pacman-package-manager", "makepkg", "libarchive-tools"],
  ...["rpm", "createrepo-c", "gnupg", "systemd", "openssh-server"],
];
/** What the distributions' packages are to bring: Debian's files, which are not in the tree until one is installed. */
const payload: Record<string, string[]> = {
  systemd: [
    "usr/lib/systemd/systemd",
    "usr/bin/systemctl",
    "usr/lib/systemd/system/getty@.service",
    "usr/lib/systemd/system/serial-getty@.service",
  ],
  "openssh-server": ["usr/sbin/sshd"],
};
/** As others than Debian call it. */
const sshdService = `[Unit]
Description=OpenSSH server
[Service]
ExecStart=/usr/sbin/sshd -D
[Install]
WantedBy=multi-user.target
`;
/** Mounts that go with the process, in a tree that is $1; then the rest of the words, as its root. */
const enter = `root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs dev "$root/dev"
for name in null zero random urandom; do : > "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
ln -s /proc/self/fd "$root/dev/fd"
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"`;
const namespaces = ["--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"];

/** Why these tests cannot run here; undefined when they can. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can enter a tree as its root, with owners as they are";
  const tried = spawnSync("unshare", [...namespaces, "mount", "-t", "tmpfs", "tried", "/tmp"], {
    encoding: "utf8",
  });
  if (tried.status !== 0) return `namespaces and mounts are not to be had: ${tried.stderr.trim()}`;
  if (spawnSync("mmdebstrap", ["--version"]).status !== 0) return "mmdebstrap is not installed";
  try {
    debianMirror(undefined);
  } catch (error) {
    return toBangerError(error).message;
  }
  return undefined;
}

/** Path of the tree that tests copy. */
function tree(): string {
  mkdirSync(kept, { recursive: true });
  const digest = createHash("sha256")
    .update(makeRepositories)
    .update(readFileSync(import.meta.path))
    .digest("hex");
  const made = join(kept, digest.slice(0, 16));
  if (existsSync(made) && Date.now() - statSync(made).mtimeMs < week) return made;
  for (const old of readdirSync(kept)) rmSync(join(kept, old), { recursive: true, force: true });
  const root = `${made}.new`;
  const { archive, keyring } = debianMirror(undefined);
  const source = `deb [signed-by=${keyring}] ${archive} trixie main`;
  const include = `--include=${packages.join()}`;
  checked(["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", include, "trixie", root, source]);
  for (const needless of ["doc", "info", "locale", "man"])
    rmSync(join(root, "usr/share", needless), { recursive: true });
  prepare(root);
  writeFileSync(join(root, "make.sh"), makeRepositories);
  const { status, text } = entered(root, "sh", "/make.sh");
  if (status !== 0) throw new Error(`the repositories could not be made: ${text}`);
  for (const done of ["payload", "make.sh", "var/tmp/repositories"])
    rmSync(join(root, done), { recursive: true });
  renameSync(root, made);
  return made;
}

/** What maintainer scripts would have done, and the payload out of the way. */
function prepare(root: string): void {
  for (const [name, files] of Object.entries(payload)) {
    for (const file of files) {
      const to = join(root, "payload", name, file);
      mkdirSync(dirname(to), { recursive: true });
      renameSync(join(root, file), to);
    }
  }
  const server = join(root, "payload/openssh-server");
  for (const dir of ["etc/ssh", "usr/lib/systemd/system"]) mkdirSync(join(server, dir), { recursive: true });
  writeFileSync(join(server, "usr/lib/systemd/system/sshd.service"), sshdService);
  // One that says no before it would read what banger writes.
  writeFileSync(join(server, "etc/ssh/sshd_config"), "PermitRootLogin no\n");
  for (const debians of ["usr/lib/systemd/system/ssh.service", "etc/init.d/ssh"]) rmSync(join(root, debians));
  symlinkSync("mawk", join(root, "usr/bin/awk"));
  symlinkSync("../proc/self/mounts", join(root, "etc/mtab"));
  for (const file of ["passwd", "group"])
    copyFileSync(join(root, `usr/share/base-passwd/${file}.master`), join(root, "etc", file));
  appendFileSync(
    join(root, "etc/passwd"),
    "alpm:x:976:976::/:/bin/false\nsshd:x:977:65534::/run/sshd:/bin/false\n",
  );
  appendFileSync(join(root, "etc/group"), "alpm:x:976:\n");
  writeFileSync(join(root, "etc/shadow"), "root:!:20000:0:99999:7:::\n");
}

export interface Said {
  status: number;
  /** What it wrote, to either of its outputs. */
  text: string;
}

/** A copy of the tree in `dir`, which goes with it. */
export class Distribution {
  readonly #root: string;

  constructor(dir: string) {
    this.#root = join(dir, "root");
    checked(["cp", "-a", "--reflink=auto", tree(), this.#root]);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), text);
  }

  remove(path: string): void {
    rmSync(join(this.#root, path), { recursive: true });
  }

  /** As its root, without a network. */
  run(...words: string[]): Said {
    return entered(this.#root, ...words);
  }

  /** What it says, of a run that must not fail. */
  ok(...words: string[]): string {
    const { status, text } = this.run(...words);
    if (status !== 0) throw new Error(`${words.join(" ")}: ${status}: ${text}`);
    return text.trim();
  }

  provision(): Said & { last: string | undefined } {
    cpSync(script, join(this.#root, "root/provision-guest.sh"));
    chmodSync(join(this.#root, "root/provision-guest.sh"), 0o755);
    const said = this.run("/root/provision-guest.sh");
    return { ...said, last: said.text.trim().split("\n").at(-1) };
  }
}

function entered(root: string, ...words: string[]): Said {
  const { status, stdout, error } = spawnSync(
    "unshare",
    [...namespaces, "sh", "-ec", `exec 2>&1\n${enter}`, "sh", root, ...words],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 120_000,
      maxBuffer: 64 * 1024 ** 2,
    },
  );
  if (error !== undefined) throw error;
  return { status: status ?? -1, text: stdout };
}

function checked([program = "", ...words]: string[]): void {
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
}
