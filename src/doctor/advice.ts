/** Remedies as this host's users type them: packages by their name here, and sudo only where it is needed. */
import { shellWord } from "../base/base.ts";
import type { Distribution, Family } from "./distribution.ts";
import type { Fix } from "./verdict.ts";

export type Tool = "qemu" | "e2fsprogs" | "git" | "ssh" | "mmdebstrap" | "newuidmap" | "apt" | "keyring";

type Names = Partial<Record<Tool, string>>;

const debian: Names = {
  // Its recommendations are displays and sound, which VMs of banger's have none of.
  qemu: "--no-install-recommends qemu-system-x86",
  e2fsprogs: "e2fsprogs",
  git: "git",
  ssh: "openssh-client",
  mmdebstrap: "mmdebstrap",
  newuidmap: "uidmap",
  apt: "apt dpkg",
  keyring: "debian-archive-keyring",
};
const arch: Names = {
  qemu: "qemu-base",
  e2fsprogs: "e2fsprogs",
  git: "git",
  ssh: "openssh",
  newuidmap: "shadow",
  apt: "apt dpkg",
  keyring: "debian-archive-keyring",
};

/** How a family installs packages, and what they are called there. */
const managers: Record<Exclude<Family, "other">, { line: string; root: boolean; names: Names }> = {
  debian: { line: "apt-get install", root: true, names: debian },
  ubuntu: { line: "apt-get install", root: true, names: debian },
  arch: { line: "pacman -S", root: true, names: arch },
  manjaro: { line: "pacman -S", root: true, names: arch },
  fedora: {
    line: "dnf install",
    root: true,
    names: {
      qemu: "qemu-system-x86-core",
      e2fsprogs: "e2fsprogs",
      git: "git",
      ssh: "openssh-clients",
      mmdebstrap: "mmdebstrap",
      newuidmap: "shadow-utils",
      apt: "apt dpkg",
      keyring: "debian-keyring",
    },
  },
  nixos: {
    line: "nix-env -iA",
    root: false,
    names: {
      qemu: "nixos.qemu",
      e2fsprogs: "nixos.e2fsprogs",
      git: "nixos.git",
      ssh: "nixos.openssh",
      mmdebstrap: "nixos.mmdebstrap",
      apt: "nixos.apt nixos.dpkg",
    },
  },
  void: {
    line: "xbps-install -S",
    root: true,
    names: { qemu: "qemu", e2fsprogs: "e2fsprogs", git: "git", ssh: "openssh", newuidmap: "shadow" },
  },
};

/** Not in their distribution's own archive, but in the users' (AUR). */
const fromUsers: Partial<Record<Family, Names>> = {
  arch: { mmdebstrap: "mmdebstrap" },
  manjaro: { mmdebstrap: "mmdebstrap" },
};

/** Where nobody has packaged it, or the distribution is not known. */
const upstream: Record<Tool, string> = {
  qemu: "QEMU 6 or later for x86_64 (https://www.qemu.org/download/)",
  e2fsprogs: "e2fsprogs (https://e2fsprogs.sourceforge.net)",
  git: "git (https://git-scm.com)",
  ssh: "OpenSSH's client (https://www.openssh.com/portable.html)",
  mmdebstrap: "mmdebstrap (https://gitlab.mister-muffin.de/josch/mmdebstrap)",
  newuidmap: "newuidmap and newgidmap (https://github.com/shadow-maint/shadow)",
  apt: "apt and dpkg",
  keyring: "Debian's archive keyring, as /usr/share/keyrings/debian-archive-keyring.gpg",
};

export interface Advice {
  distribution: Distribution;
  /** A command line that root must run. */
  asRoot(line: string): string;
  /** What a program may do about it, as root or as whoever it is. */
  fix(who: "root" | "you", ...command: readonly string[]): Fix;
  /** What installs these. */
  install(...tools: readonly Tool[]): string[];
}

export function adviceFor(distribution: Distribution, isRoot: boolean): Advice {
  const { family } = distribution;
  const asRoot = (line: string) => (isRoot ? line : `sudo ${line}`);
  const manager = family === "other" ? undefined : managers[family];
  const users = fromUsers[family] ?? {};
  return {
    distribution,
    asRoot,
    fix: (who, ...command) => {
      const line = command.map(shellWord).join(" ");
      return { command, line: who === "root" ? asRoot(line) : line, possible: who === "you" || isRoot };
    },
    install: (...tools) => {
      const packaged = tools.flatMap((tool) => manager?.names[tool] ?? []);
      const line = `${manager?.line} ${packaged.join(" ")}`;
      return [
        ...(packaged.length === 0 ? [] : [manager?.root === true ? asRoot(line) : line]),
        ...tools.flatMap((tool) => (users[tool] === undefined ? [] : [`paru -S ${users[tool]}`])),
        ...tools
          .filter((tool) => manager?.names[tool] === undefined && users[tool] === undefined)
          .map((tool) => `install ${upstream[tool]}`),
      ];
    },
  };
}
