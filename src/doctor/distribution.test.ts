import { describe, expect, test } from "bun:test";
import { adviceFor } from "./advice.ts";
import { type Distribution, type Family, families, parseDistribution } from "./distribution.ts";

describe("the distribution", () => {
  test.each<[string | undefined, Family, string]>([
    ['ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', "debian", "Debian GNU/Linux 12 (bookworm)"],
    ["ID=ubuntu\nID_LIKE=debian", "ubuntu", "ubuntu"],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', "ubuntu", "linuxmint"],
    ["ID=raspbian\nID_LIKE=debian", "debian", "raspbian"],
    ["ID=arch", "arch", "arch"],
    ["ID=manjaro\nID_LIKE=arch", "manjaro", "manjaro"],
    ["ID='endeavouros'\nID_LIKE='arch'", "arch", "endeavouros"],
    ["ID=fedora", "fedora", "fedora"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', "fedora", "rocky"],
    ["ID=nixos", "nixos", "nixos"],
    ['ID="void"', "void", "void"],
    ["ID=gentoo", "other", "gentoo"],
    ["rubbish\n=\nID", "other", "an unknown distribution"],
    [undefined, "other", "an unknown distribution"],
  ])("of %p is %p", (text, family, name) => {
    expect(parseDistribution(text)).toEqual({ family, name });
  });
});

const on = (family: Family): Distribution => ({ family, name: family });

describe("advice", () => {
  test("says packages by the distribution's own name for them", () => {
    const lines = [...families, "other" as const].map(
      (family) => adviceFor(on(family), false).install("qemu")[0],
    );
    expect(lines).toEqual([
      "sudo apt-get install --no-install-recommends qemu-system-x86",
      "sudo apt-get install --no-install-recommends qemu-system-x86",
      "sudo pacman -S qemu-base",
      "sudo pacman -S qemu-base",
      "sudo dnf install qemu-system-x86-core",
      "nix-env -iA nixos.qemu",
      "sudo xbps-install -S qemu",
      "install QEMU 6 or later for x86_64 (https://www.qemu.org/download/)",
    ]);
  });

  test("is one line for all packages of one archive, and another for what users have packaged", () => {
    expect(adviceFor(on("arch"), false).install("mmdebstrap", "apt", "git")).toEqual([
      "sudo pacman -S apt dpkg git",
      "paru -S mmdebstrap",
    ]);
    expect(adviceFor(on("void"), false).install("mmdebstrap", "git")).toEqual([
      "sudo xbps-install -S git",
      "install mmdebstrap (https://gitlab.mister-muffin.de/josch/mmdebstrap)",
    ]);
  });

  test("has no sudo for root", () => {
    const { install, asRoot } = adviceFor(on("debian"), true);
    expect([install("git"), asRoot("modprobe loop")]).toEqual([["apt-get install git"], "modprobe loop"]);
  });
});
