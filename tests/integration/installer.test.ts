/** scripts/install.sh, as people run it: by a pipe, from a server on loopback, with a small program in banger's place. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../../src/sys/sys.ts";
import { type Bed, nothing, nothingOf, openBed, scriptCalling, standIn } from "./installer-fixture.ts";
import { onTerminal } from "./installer-terminal.ts";

let bed: Bed;
beforeAll(async () => {
  bed = await openBed();
  for (const version of ["1.2.0", "1.3.0-rc.9", "1.10.0"]) bed.release(version);
});
afterAll(() => bed.end());

/** A link, and what it leads to. */
const program = [
  ...["home/.local", "home/.local/bin", "home/.local/bin/banger", "home/.local/lib"],
  ...[
    "",
    "/updates",
    "/updates/lock",
    "/versions",
    "/versions/1.10.0-01234567",
    "/versions/1.10.0-01234567/banger",
  ].map((path) => `home/.local/lib/banger${path}`),
];
const isRoot = process.getuid?.() === 0;

describe("what is installed", () => {
  test("--user puts the latest into ~/.local/bin without sudo, and says that it is not in PATH", async () => {
    const person = bed.person();
    const { status, err } = await person.install(["--user", "--yes"]);
    expect({ status, answer: person.answer(), files: person.files(), calls: person.calls() }).toEqual({
      ...{ status: 0, answer: "v1.10.0", files: program, calls: [] },
    });
    expect(err).toContain("is not in your PATH");
    expect(err).toContain(`export PATH="${person.home}/.local/bin:$PATH"`);
    expect(err).not.toContain("\x1b");
  });

  test("in a PATH that has it, nothing is said of it, unless another one is found first", async () => {
    const person = bed.person();
    const bin = join(person.home, ".local/bin");
    const after = { PATH: `${person.env.PATH}:${bin}` };
    expect((await person.install(["--user", "--yes"], { env: after })).err).not.toContain("PATH");
    writeFileSync(join(person.home, "../bin/banger"), "#!/bin/sh\n", { mode: 0o755 });
    const { err } = await person.install(["--user", "--yes"], { env: after });
    expect(err).toContain("finds another one first");
  });

  test("--prefix DIR puts it into DIR/bin, from wherever DIR is named", async () => {
    const person = bed.person();
    expect((await person.install(["--prefix", "home/it's here", "--yes"])).status).toBe(0);
    expect(person.files()).toContain("home/it's here/bin/banger");
  });

  test("without either, sudo runs its system install for who this is, after the summary", async () => {
    const person = bed.person();
    const { status, err } = await person.install(["--yes"]);
    const me = isRoot ? "nobody" : execFileSync("id", ["-un"]).toString().trim();
    expect({ status, files: person.files(), calls: person.calls() }).toEqual({
      ...{ status: 0, files: [] },
      calls: [
        expect.stringMatching(/^sudo -n .*banger system install/),
        `banger system install --owner ${me}`,
      ],
    });
    expect(err).toContain("bangerd-root.service                 runs as root");
    expect(err).toContain("sudo banger system uninstall");
  });

  test("when that fails, so does this, and leaves nothing", async () => {
    const person = bed.person();
    const { status, err } = await person.install(["--yes"], { env: { STATUS: "3" } });
    expect({ status, files: person.files() }).toEqual({ status: 1, files: [] });
    expect(err).toContain("banger system install has failed, for the reason above");
  });

  test("--version takes another release, with v and without", async () => {
    for (const version of ["v1.2.0", "1.2.0"]) {
      const person = bed.person();
      await person.install(["--user", "--yes", "--version", version]);
      expect(person.answer()).toBe("v1.2.0");
    }
  });

  test("an older one replaces what is installed only when it is asked for", async () => {
    const person = bed.person();
    for (const version of ["1.10.1-rc.1", "1.11.0", "2.0.0"]) {
      person.has(standIn(version));
      const { status, err } = await person.install(["--user", "--yes"]);
      expect({ status, answer: person.answer() }).toEqual({ status: 1, answer: `v${version}` });
      expect(err).toContain(`v${version} is installed, which is newer than the latest release`);
      expect(err).toContain("hint: if you want the older one, say so: --version v1.10.0");
    }
    const { err } = await person.install(["--user", "--yes", "--version", "v1.10.0"]);
    expect(person.answer()).toBe("v1.10.0");
    expect(err).toContain("in place of v2.0.0");
  });

  test("the summary names the version that is replaced, also behind the link that it was installed by", async () => {
    const person = bed.person();
    const first = await person.install(["--user", "--yes", "--version", "v1.2.0"]);
    expect(first.err).toContain("To be done:");
    const second = await person.install(["--user", "--yes"]);
    expect(second.err).toContain("To be done, in place of v1.2.0:");
    person.has("half of one");
    const third = await person.install(["--user", "--yes"]);
    expect(third.err).toContain("To be done, in place of what is there:");
  });

  test("a newer one, the same, a broken one and a link are replaced; a directory is not", async () => {
    const person = bed.person();
    for (const content of [standIn("1.9.9"), standIn("1.10.0-rc.10"), standIn("1.10.0"), "half of one"]) {
      person.has(content);
      expect((await person.install(["--user", "--yes"])).status).toBe(0);
      expect(person.answer()).toBe("v1.10.0");
    }
    const installed = person.has("");
    rmSync(installed);
    const elsewhere = join(bed.dir, "checkout");
    writeFileSync(elsewhere, "somebody's own");
    symlinkSync(elsewhere, installed);
    expect((await person.install(["--user", "--yes"])).status).toBe(0);
    expect(readFileSync(elsewhere, "utf8")).toBe("somebody's own");
    rmSync(installed);
    mkdirSync(installed);
    expect((await person.install(["--user", "--yes"])).err).toContain("is a directory");
  });

  test("which one is older is as semver.org says, of any two", () => {
    const ascending = [
      ...[
        "0.9.10",
        "0.10.0",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
      ],
      ...[
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1-rc.1",
        "1.0.1",
        "1.9.0",
        "1.10.0",
        "2.0.0",
        "999999999.0.0",
      ],
    ];
    const script = scriptCalling(`export LC_ALL=C
for a; do
  for b; do older "$a" "$b" && printf 1 || printf 0; done
  echo
done`);
    const { stdout } = Bun.spawnSync(["bash", "-c", script, "-", ...ascending]);
    const rows = ascending.map((_, a) => ascending.map((_, b) => (a < b ? "1" : "0")).join(""));
    expect(`${stdout}`.trim().split("\n")).toEqual(rows);
  });

  test("waits for an update that is under way: each would remove what the other has put", async () => {
    const person = bed.person();
    const updates = join(person.home, ".local/lib/banger/updates");
    expect((await person.install(["--user", "--yes", "--version", "1.2.0"])).status).toBe(0);
    const lock = lockFile(join(updates, "lock"));
    expect(lock).toBeDefined();
    const waiting = person.install(["--user", "--yes"]);
    await Bun.sleep(3000);
    expect(person.answer()).toBe("v1.2.0");
    lock?.release();
    expect([(await waiting).status, person.answer()]).toEqual([0, "v1.10.0"]);
  });

  test("eight at once leave one whole program, and nothing else", async () => {
    const person = bed.person();
    const all = await Promise.all(Array.from({ length: 8 }, () => person.install(["--user", "--yes"])));
    expect(all.map(({ status, err }) => (status === 0 ? "" : err))).toEqual(all.map(() => ""));
    expect([person.answer(), person.files()]).toEqual(["v1.10.0", program]);
  });
});

describe("the question", () => {
  test("is asked on the terminal, though the script comes by a pipe; only a yes goes on", async () => {
    for (const [typed, status] of [
      ["y", 0],
      ["yes", 0],
      ["n", 1],
      ["", 1],
      ["\x04", 1],
    ] as const) {
      const person = bed.person();
      const seen = await onTerminal(bed, person, ["--user"], "Go on? [y/N] ", `${typed}\r`);
      expect(seen.status, seen.screen).toBe(status);
      expect(person.answer()).toBe(status === 0 ? "v1.10.0" : undefined);
      if (status === 0) continue;
      expect(seen.screen).toContain("nothing was installed, as you did not say yes");
      expect(nothingOf(person)).toEqual(nothing);
    }
  });

  test("comes before sudo, which then may ask for a password itself", async () => {
    const person = bed.person();
    const { status, screen } = await onTerminal(bed, person, [], "Go on? [y/N] ", "y\r");
    expect(status, screen).toBe(0);
    expect(screen).toContain("bangerd-root.service                 runs as root");
    expect(person.calls()[0]).toMatch(/^sudo \/.*\/banger system install --owner /);
  });

  test("ended by Ctrl-C, leaves nothing", async () => {
    const person = bed.person();
    expect((await onTerminal(bed, person, [], "Go on? [y/N] ", "\x03")).status).toBe(130);
    expect(nothingOf(person)).toEqual(nothing);
  });

  test("that cannot be asked is said before anything is downloaded", async () => {
    const person = bed.person();
    bed.site.requests.length = 0;
    const { status, err } = await person.install(["--user"]);
    expect({ status, err, ...nothingOf(person), requests: bed.site.requests }).toEqual({
      ...{ status: 1, ...nothing, requests: [] },
      err: "install.sh: there is no terminal to ask on\n  hint: --yes goes on without a question\n",
    });
  });
});

describe("who runs it", () => {
  const cases: [string, string[], Record<string, string>, RegExp][] = [
    ["root by sudo", ["--yes"], { SUDO_UID: "1000", SUDO_USER: "alice" }, /by a sudo that it does not need/],
    ["root by sudo, --user", ["--user", "--yes"], { SUDO_UID: "1000" }, /by a sudo that it does not need/],
    ["root without an owner", ["--yes"], {}, /whose will the VMs be/],
    ["root for root", ["--yes", "--owner", "root"], {}, /VMs cannot be root's/],
    ["root for nobody known", ["--yes", "--owner", "nobody-known"], {}, /there is no user nobody-known/],
    ["root for an option", ["--yes", "--owner", "-x"], {}, /there is no user -x/],
  ];
  test.skipIf(!isRoot)("root has to say for whom", async () => {
    for (const [name, args, env, says] of cases) {
      const person = bed.person("root");
      const { status, err } = await person.install(args, { env });
      expect({ status, err, ...nothingOf(person) }, name).toEqual({
        status: 1,
        err: expect.stringMatching(says),
        ...nothing,
      });
    }
  });

  test.skipIf(!isRoot)("root with an owner needs no sudo; root with a prefix needs no owner", async () => {
    const person = bed.person("root");
    const env = { SUDO_UID: "1000" };
    expect((await person.install(["--yes", "--owner", "nobody"], { env })).status).toBe(0);
    expect(person.calls()).toEqual(["banger system install --owner nobody"]);
    expect((await person.install(["--yes", "--prefix", join(person.home, ".local")], { env })).status).toBe(
      0,
    );
    expect(person.answer()).toBe("v1.10.0");
  });

  test("a wrong command line is told, by status 2", async () => {
    for (const args of [
      ["--what"],
      ["--version"],
      ["--version", "latest"],
      ["--version", "1.2"],
      ["--timeout", "0"],
      ["--user", "--owner", "me"],
    ]) {
      const { status, err } = await bed.person().install(args);
      expect({ status, err }, args.join(" ")).toEqual({
        status: 2,
        err: expect.stringContaining("install.sh --help lists the options"),
      });
    }
  });
});
