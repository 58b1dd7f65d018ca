import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseBangerToml } from "./banger-toml.ts";
import { initialText } from "./initial-text.ts";
import { hostLimits, refuseExcess } from "./limits.ts";
import { readProject } from "./read-project.ts";

const base = mkdtempSync(join(tmpdir(), "banger-project-"));
const root = join(base, "repo");
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};

beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
});
afterAll(() => rmSync(base, { recursive: true }));

describe("what a repository asks for", () => {
  test("is nothing without a file of it", async () => {
    expect(await readProject(root)).toBeUndefined();
  });

  test("is in banger.toml, else in a devcontainer.json", async () => {
    put(".devcontainer.json", '{ "image": "second" }');
    expect((await readProject(root))?.settings.image).toBe("second");
    put(".devcontainer/devcontainer.json", '{ "image": "first" } // the usual place');
    expect(await readProject(root)).toMatchObject({
      file: ".devcontainer/devcontainer.json",
      settings: { image: "first" },
    });
    put("banger.toml", "vcpu = 1");
    expect(await readProject(root)).toMatchObject({ file: "banger.toml", settings: { vcpu: 1 } });
  });

  test("is never read through a link, on no part of its way", async () => {
    writeFileSync(join(base, "outside"), "vcpu = 1");
    symlinkSync(join(base, "outside"), join(root, "banger.toml"));
    await expect(readProject(root)).rejects.toThrow("banger.toml is a symbolic link");
    rmSync(join(root, "banger.toml"));
    mkdirSync(join(base, "elsewhere"), { recursive: true });
    writeFileSync(join(base, "elsewhere/devcontainer.json"), '{ "image": "outside" }');
    symlinkSync(join(base, "elsewhere"), join(root, ".devcontainer"));
    expect(await readProject(root)).toBeUndefined();
  });

  test("is bounded, and text", async () => {
    put("banger.toml", `# ${"x".repeat(64 * 1024)}`);
    await expect(readProject(root)).rejects.toThrow("banger.toml is larger than 64 KiB");
    writeFileSync(join(root, "banger.toml"), Buffer.from([0x23, 0xff, 0xfe]));
    await expect(readProject(root)).rejects.toThrow("banger.toml is not UTF-8");
  });

  test("is told of and not used where others' file is broken", async () => {
    put(".devcontainer.json", "{ image: 1 }");
    expect(await readProject(root)).toMatchObject({
      settings: { env: {} },
      ignored: ["all of it: .devcontainer.json:1:3: not a key in double quotes"],
    });
  });
});

describe("a repository's sizes", () => {
  const GiB = 1024 ** 3;
  const limits = hostLimits({ cpus: 4, memoryBytes: 16 * GiB });
  const none = { vcpu: false, memory: false, diskSize: false };
  const large = parseBangerToml('vcpu = 8\nmemory = "9G"\ndisk = "65G"', "banger.toml");

  test("are at most the host's CPUs, half its memory, and a bounded disk", () => {
    expect(limits).toEqual({ vcpu: 4, memoryBytes: 8 * GiB, diskBytes: 64 * GiB });
    expect(hostLimits({ cpus: 1, memoryBytes: GiB }).memoryBytes).toBe(GiB);
    const fits = parseBangerToml('vcpu = 4\nmemory = "8G"\ndisk = "64G"', "banger.toml");
    expect(() => refuseExcess(fits, none, limits)).not.toThrow();
  });

  test("are refused all at once, with the flags that only the user gives", () => {
    expect(() => refuseExcess(large, none, limits)).toThrow(
      [
        "banger.toml:1: vcpu: 8 is more than a repository gets on this host (4)",
        "banger.toml:2: memory: 9G is more than a repository gets on this host (8G)",
        "banger.toml:3: disk: 65G is more than a repository gets on this host (64G)",
      ].join("\n"),
    );
  });

  test("do not count where the user has given another", () => {
    expect(() => refuseExcess(large, { vcpu: true, memory: true, diskSize: true }, limits)).not.toThrow();
    expect(() => refuseExcess(large, { ...none, vcpu: true }, limits)).toThrow(/^banger.toml:2: memory/);
  });
});

describe("the first banger.toml of a repository", () => {
  const settingsOf = async () => parseBangerToml(await initialText(root), "banger.toml").settings;
  /** With every key in force that is a comment. */
  const inForce = async () =>
    parseBangerToml((await initialText(root)).replace(/^# (?=[a-z_]+ = )/gm, ""), "banger.toml").settings;

  test("asks for nothing, and all that it proposes can be asked for", async () => {
    expect(await settingsOf()).toEqual({ ports: [], include: [], postCreate: [], env: {} });
    expect(Object.keys(await inForce()).sort()).toEqual(
      [
        "bootstrap",
        "diskBytes",
        "env",
        "image",
        "include",
        "memoryBytes",
        "nat",
        "ports",
        "postCreate",
        "vcpu",
      ].sort(),
    );
  });

  test.each([
    ["all:\n\ttrue\n", "./setup.sh"],
    ["deps := a b\n.PHONY: all\n\tdeps: no\n", "./setup.sh"],
    ["all: setup\nsetup::\n\tnpm ci\n", "make setup"],
    ["build deps: x\n", "make deps"],
  ])("proposes only a target that the Makefile has: %j", async (makefile, command) => {
    put("Makefile", makefile);
    expect((await inForce()).postCreate.map(({ shown }) => shown)).toEqual([command]);
  });

  test("proposes what the files suggest", async () => {
    put(
      "package.json",
      '{ "engines": { "node": ">=20" }, "scripts": { "test": "x" }, "dependencies": { "vite": "5" } }',
    );
    put("package-lock.json", "{}");
    put("requirements.txt", "Flask==3\n");
    put(".tool-versions", "node 20\n");
    put("Makefile", "all:\n\ntest: all\n");
    put(".env", "SECRET=1\n");
    const text = await initialText(root);
    expect(text).toContain("# Found: Node.js (package.json), engines.node >=20");
    expect(text).toContain("# Its tests: banger vm run . -- make test");
    expect(text).toContain("# Its tools are in .tool-versions");
    expect(text).not.toContain("SECRET");
    expect(await inForce()).toMatchObject({
      ports: [
        { host: 5173, guest: 5173 },
        { host: 5000, guest: 5000 },
      ],
      include: [".env"],
      postCreate: [
        { shown: "npm ci" },
        { shown: "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt" },
      ],
    });
  });

  test("takes over what a devcontainer.json says, whatever that is", async () => {
    const env = { A: "quotes \" ' \\ and\nlines \u007f \u0001 \u2028", B: "" };
    const image = "debian:trixie-slim";
    put(
      ".devcontainer.json",
      JSON.stringify({ image, containerEnv: env, forwardPorts: [3000], postCreateCommand: ["a", "b c"] }),
    );
    expect(await settingsOf()).toMatchObject({
      image,
      env,
      ports: [{ host: 3000, guest: 3000 }],
      postCreate: [{ shown: "a 'b c'", argv: ["/bin/sh", "-c", "a 'b c'"] }],
    });
  });

  test("has no word of a repository but what was checked", async () => {
    put("package.json", '{ "engines": { "node": "1\\u001b[2J" }, "scripts": { "test": "\\u001b]0;x" } }');
    put("mise.toml", "\u001b[2J");
    expect(await initialText(root)).not.toMatch(/\u001b/);
  });
});
