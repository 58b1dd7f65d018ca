import { describe, expect, test } from "bun:test";
import { BangerError } from "../base/base.ts";
import { fileSyncEntries, parseConfig, specDefaults } from "./config.ts";
import { userPaths } from "./paths.ts";

function problem(toml: string): string {
  try {
    parseConfig(toml, "config.toml");
  } catch (error) {
    if (error instanceof BangerError) return error.message;
    throw error;
  }
  return "accepted";
}

test.each(["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"])("%s must be absolute", (name) => {
  expect(() => userPaths({ HOME: "/home/u", [name]: "rel" })).toThrow(
    `${name}="rel" is not an absolute path`,
  );
});

describe("config.toml", () => {
  test("is optional in every key", () => {
    const config = parseConfig("", "config.toml");
    expect(config.default_image_name).toBe("debian-bookworm");
    expect(config.log_level).toBe("info");
  });

  test("reads sizes and durations", () => {
    const config = parseConfig(
      'auto_stop_stale_after = "2h30m"\n[vm_defaults]\ndisk_size = "16G"',
      "config.toml",
    );
    expect(config.auto_stop_stale_after).toBe(9_000_000);
    expect(config.vm_defaults.disk_size).toBe(16 * 1024 ** 3);
  });

  test.each([
    ["vmn = 1", "config.toml:1: unknown key vmn; did you mean vmm?"],
    ["\n[vm_defaults]\nvcpus = 2", "config.toml:3: unknown key vm_defaults.vcpus; did you mean vcpu?"],
    ["\n\nlog_level = 3", 'config.toml:3: log_level: must be "debug", "info", "warn" or "error"'],
    ['ssh_key_path = "id"', "config.toml:1: ssh_key_path: must be an absolute path, or begin with ~/"],
    ['ssh_key_path = "/a/../b"', "config.toml:1: ssh_key_path: must not contain '..'"],
    [
      '[vm_defaults]\ndisk_size = "12 parsecs"',
      'config.toml:2: vm_defaults.disk_size: "12 parsecs" is not a size',
    ],
    [
      "[vm_defaults]\ndisk_size = 5",
      'config.toml:2: vm_defaults.disk_size: must be a size such as "16G" in quotes',
    ],
    ['auto_stop_stale_after = "soon"', 'config.toml:1: auto_stop_stale_after: "soon" is not a duration'],
    ["[vm_defaults]\nvcpu = 0", "config.toml:2: vm_defaults.vcpu: must be a whole number from 1 to 64"],
    ['bridge_name = "virbr0"', "config.toml:1: bridge_name: must be br-fc or begin with br-fc-"],
    [
      '[[file_sync]]\nhost = "~/a"\nguest = "/etc/x"',
      "config.toml:3: file_sync.0.guest: must be below ~/ or /root/",
    ],
    ['debian_mirror = "ftp://x"', "config.toml:1: debian_mirror: must be an http or https URL"],
  ])("%j is refused with key, line and reason", (toml, expected) => {
    expect(problem(toml)).toBe(expected);
  });

  test("names the line and column of what is not TOML", () => {
    expect(problem("a = \n b")).toStartWith("config.toml:1:");
  });

  test("reports all problems at once", () => {
    expect(problem('a = 1\nlog_level = "loud"').split("\n").length).toBe(2);
  });
});

describe("file_sync", () => {
  const entry = (host: string, guest = "~/x", more = "") =>
    `[[file_sync]]\nhost = ${JSON.stringify(host)}\nguest = ${JSON.stringify(guest)}\n${more}`;
  const told = (toml: string) => {
    try {
      return fileSyncEntries(parseConfig(toml, "config.toml"), "/home/u", "config.toml");
    } catch (error) {
      if (error instanceof BangerError) return error.message;
      throw error;
    }
  };

  test("entries are resolved, with 0600 as the mode of files", () => {
    expect(
      told(entry("~/.gitconfig", "~/.gitconfig") + entry("/home/u/a/", "/root//b/./c/", 'mode = "755"\n')),
    ).toEqual([
      { shown: "~/.gitconfig", host: "/home/u/.gitconfig", guest: ".gitconfig", mode: 0o600 },
      { shown: "/home/u/a/", host: "/home/u/a", guest: "b/c", mode: 0o755 },
    ]);
  });

  test.each([
    [entry(""), "file_sync.0.host: must be an absolute path, or begin with ~/"],
    [entry("a"), "file_sync.0.host: must be an absolute path, or begin with ~/"],
    [entry("~/a/../../b"), "file_sync.0.host: must not contain '..'"],
    [entry("~other/a"), "file_sync.0.host: must be an absolute path, or begin with ~/"],
    [entry("/etc/passwd"), "file_sync.0.host: must be inside of your home, /home/u"],
    [entry("/home/user/a"), "file_sync.0.host: must be inside of your home, /home/u"],
    [entry("/home/u/."), "file_sync.0.host: must be inside of your home, /home/u"],
    [entry("~/a") + entry("/etc"), "file_sync.1.host: must be inside of your home, /home/u"],
    [entry("~/a", ""), "file_sync.0.guest: must be below ~/ or /root/"],
    [entry("~/a", "x"), "file_sync.0.guest: must be below ~/ or /root/"],
    [entry("~/a", "~other/x"), "file_sync.0.guest: must be below ~/ or /root/"],
    [entry("~/a", "/rootx/y"), "file_sync.0.guest: must be below ~/ or /root/"],
    [entry("~/a", "~/../x"), "file_sync.0.guest: must not contain '..'"],
    [entry("~/a", "~/./"), "file_sync.0.guest: must name something below ~/ or /root/"],
    [entry("~/a", "~/x", 'mode = "0999"'), 'file_sync.0.mode: must be an octal mode such as "0600"'],
    [entry("~/a", "~/x", 'mode = "4755"'), 'file_sync.0.mode: must be an octal mode such as "0600"'],
    [entry("~/a", "~/x", "mode = 600"), "file_sync.0.mode: "],
    [entry("~/a", "~/x", "user = 1"), "unknown key file_sync.0.user"],
  ])("%j is refused", (toml, expected) => {
    expect(told(toml)).toContain(expected);
  });
});

describe("sizes of new VMs", () => {
  const GiB = 1024 ** 3;
  test("config wins over the host, the host over the constants", () => {
    const config = parseConfig("[vm_defaults]\nvcpu = 3", "config.toml");
    const defaults = specDefaults(config, { cpus: 64, memoryBytes: 64 * GiB });
    expect(defaults.vcpu).toEqual({ value: 3, from: "config" });
    expect(defaults.memoryMiB).toEqual({ value: 8192, from: "auto" });
    expect(defaults.diskBytes).toEqual({ value: 8 * GiB, from: "builtin" });
  });

  test("a small host gets the constants, and never more CPUs than it has", () => {
    const defaults = specDefaults(parseConfig("", "c"), { cpus: 1, memoryBytes: 2 * GiB });
    expect(defaults.vcpu).toEqual({ value: 1, from: "builtin" });
    expect(defaults.memoryMiB).toEqual({ value: 1024, from: "builtin" });
  });
});
