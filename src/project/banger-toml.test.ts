import { describe, expect, test } from "bun:test";
import { BangerError } from "../base/base.ts";
import { parseBangerToml } from "./banger-toml.ts";

const read = (text: string) => parseBangerToml(text, "banger.toml").settings;

function problem(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BangerError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("banger.toml", () => {
  test("may be empty", () => {
    expect(read("")).toEqual({ ports: [], include: [], postCreate: [], env: {} });
  });

  test("says all that a VM may be asked for", () => {
    const text = `
image = "docker.io/library/debian:trixie-slim"
vcpu = 2
memory = "4G"
disk = "16GiB"
nat = true
ports = [3000, "8080:80"]
include = [".env", "./data/seed/"]
bootstrap = false
post_create = ["npm ci"]
[env]
CI = "1"
`;
    expect(read(text)).toEqual({
      image: "docker.io/library/debian:trixie-slim",
      vcpu: 2,
      memoryBytes: 4 * 1024 ** 3,
      diskBytes: 16 * 1024 ** 3,
      nat: true,
      ports: [
        { host: 3000, guest: 3000 },
        { host: 8080, guest: 80 },
      ],
      include: [".env", "data/seed"],
      bootstrap: false,
      postCreate: [{ shown: "npm ci", argv: ["/bin/sh", "-c", "npm ci"] }],
      env: { CI: "1" },
    });
  });

  test.each([
    ["vcpus = 2", "banger.toml:1: unknown key vcpus; did you mean vcpu?"],
    ["post-create = []", "banger.toml:1: unknown key post-create; did you mean post_create?"],
    ["disk_size = '8G'", "banger.toml:1: unknown key disk_size; did you mean disk?"],
    ['"a\\nb" = 1', 'banger.toml: unknown key "a\\nb"'],
    ["constructor = 1", "banger.toml:1: unknown key constructor"],
    ["\nvcpu = 65", "banger.toml:2: vcpu: must be a whole number from 1 to 64"],
    ["vcpu = 1.5", "banger.toml:1: vcpu: must be a whole number from 1 to 64"],
    ["memory = 4", 'banger.toml:1: memory: must be a size in quotes, such as "4G"'],
    ['memory = "4X"', 'banger.toml:1: memory: "4X" is not a size'],
    ['memory = "1M"', "banger.toml:1: memory: must be at least 128M"],
    ['nat = "yes"', "banger.toml:1: nat: must be true or false"],
    ["image = 3", 'banger.toml:1: image: must be an image\'s name in quotes, such as "debian-bookworm"'],
    ['image = "-x"', "banger.toml:1: image: is not the name of an image"],
    ["ports = 3000", "banger.toml:1: ports: must be a list of ports: [ ... ]"],
    [
      "ports = [0]",
      'banger.toml:1: ports: 0 is not a port, nor "HOST:GUEST"; the host\'s side is always its loopback',
    ],
    ["ports = [80]", 'banger.toml:1: ports: the host\'s port 80 is below 1024; write "8080:80"'],
    ['ports = [3000, "3000:1"]', "banger.toml:1: ports: the host's port 3000 is there twice"],
    ['post_create = "npm ci"', "banger.toml:1: post_create: must be a list of commands: [ ... ]"],
    ['post_create = ["a", " "]', "banger.toml:1: post_create: must not be empty"],
    ["env = []", 'banger.toml:1: env: must be a table, such as env = { MODE = "test" }'],
    ["[env]\nA = 1", "banger.toml:1: env: A must be text in quotes"],
    ['[env]\n"A B" = "1"', 'banger.toml:1: env: "A B" is not a variable\'s name'],
  ])("%j is refused with its line and what is allowed", (text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  test.each([
    "oci:/home/me/layout:t",
    "docker-archive:image.tar",
    "/images/root",
    "./root",
    "~/root",
    "file:x",
  ])("no repository names a file of the host as its image: %s", (image) => {
    expect(problem(`image = ${JSON.stringify(image)}`)).toContain("no files of the host");
  });

  test.each([
    "/etc/passwd",
    "~/.ssh/id",
    "../secret",
    "a/../../b",
    "a/..",
    ".git/config",
    "sub/.GIT",
    "",
    "a//b",
  ])("no repository includes what is not its own: %j", (path) => {
    expect(problem(`include = [${JSON.stringify(path)}]`)).toStartWith("banger.toml:1: include: ");
  });

  test.each(["0.0.0.0:80", "192.168.1.1:80:80", "80:80:80", "-1", "70000", "1e3", " 8080"])(
    "%j is no port: all are on the loopback",
    (port) => {
      expect(problem(`ports = [${JSON.stringify(port)}]`)).toContain("is not a port");
    },
  );

  test("reports all problems at once, and what is not TOML with its place", () => {
    expect(problem("vcpu = 0\nnatt = true\nenv = 1").split("\n")).toHaveLength(3);
    expect(problem("a = \n b")).toStartWith("banger.toml:1:");
  });

  test("is bounded in what it lists", () => {
    const many = (count: number, one: string) => `[${Array(count).fill(one).join()}]`;
    expect(problem(`post_create = ${many(33, '"x"')}`)).toContain("at most 32 commands");
    expect(problem(`ports = ${many(33, "1")}`)).toContain("at most 32 ports");
    expect(problem(`include = ${many(101, '"x"')}`)).toContain("at most 100 paths");
    expect(problem(`env = { A = "${"x".repeat(4097)}" }`)).toContain("longer than 4096 bytes");
    expect(problem(`post_create = ["${"x".repeat(20_000)}"]`)).toContain("longer than 16384 bytes");
    const unknown = Array.from({ length: 30 }, (_, index) => `zzzzzzzz${index} = 1`).join("\n");
    expect(problem(unknown).split("\n").slice(19)).toEqual([expect.stringContaining("20"), "and 10 more"]);
    expect(problem(`[${" ".repeat(60_000)}\nnatt = 1`)).toStartWith("banger.toml:");
  });
});
