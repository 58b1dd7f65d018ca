/** What scripts/install.sh needs of the host, and says when it is not there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bed, nothing, nothingOf, openBed, pathWithout, standIn } from "./installer-fixture.ts";

let bed: Bed;
beforeAll(async () => {
  bed = await openBed();
  bed.release("1.10.0");
});
afterAll(() => bed.end());

describe("the host", () => {
  test("another system or processor is refused before anything is downloaded", async () => {
    for (const [system, machine] of [
      ["Darwin", "x86_64"],
      ["Linux", "aarch64"],
      ["Linux", "i686"],
    ]) {
      const person = bed.person();
      const uname = `#!/bin/sh\ncase $1 in -s) echo ${system} ;; *) echo ${machine} ;; esac\n`;
      writeFileSync(join(person.home, "../bin/uname"), uname, { mode: 0o755 });
      const { status, err } = await person.install(["--user", "--yes"]);
      expect([status, err]).toEqual([
        1,
        `install.sh: banger runs on Linux on x86_64, and this is ${system} on ${machine}\n`,
      ]);
    }
  });

  test("wget does where there is no curl; without either, and without openssl or sudo, it says so", async () => {
    const person = bed.person();
    const lacking = async (args: string[], ...missing: string[]) => {
      const bin = pathWithout(bed.dir, ...missing);
      return person.install([...args, "--yes"], { env: { PATH: bin } });
    };
    expect((await lacking(["--user"], "curl", "wget")).err).toContain("neither curl nor wget is installed");
    expect((await lacking(["--user"], "openssl")).err).toContain("openssl is not installed");
    expect((await lacking([], "sudo")).err).toContain(
      "sudo is not installed\n  hint: say --user, which needs none",
    );
    expect(nothingOf(person)).toEqual(nothing);
    const { status, err } = await lacking(["--user"], "curl");
    expect({ status, answer: person.answer() }, err).toEqual({ status: 0, answer: "v1.10.0" });
  });

  test("busybox's wget does, too", async () => {
    const person = bed.person();
    const bin = pathWithout(bed.dir, "curl", "wget", "curl-config");
    symlinkSync("/usr/bin/busybox", join(bin, "wget"));
    const { status, err } = await person.install(["--user", "--yes"], { env: { PATH: bin } });
    expect({ status, answer: person.answer() }, err).toEqual({ status: 0, answer: "v1.10.0" });
  });

  test("dash is told to be bash", () => {
    const { stderr, exitCode } = Bun.spawnSync(["dash"], { stdin: Buffer.from(bed.script) });
    expect([exitCode, `${stderr}`]).toEqual([1, "install.sh: this needs bash: pipe it into bash, not sh\n"]);
  });

  test("a program that does not run here, or is another, is not installed", async () => {
    const programs: [string, RegExp][] = [
      ["#!/no/such/loader\n", /does not run on this machine.*\n.*glibc/],
      ["#!/bin/sh\nkill -ILL $$\n", /uses instructions that this CPU has not\n.*SSE4\.2/],
      ["#!/bin/sh\necho 'banger v9.9.9 (x)'\n", /says that it is another: banger v9\.9\.9/],
      ["#!/bin/sh\necho '\x1b[31mbanger'; exit 1\n", /does not run on this machine/],
    ];
    for (const [content, says] of programs) {
      bed.release("1.10.0", { program: content });
      const person = bed.person();
      const { status, err } = await person.install(["--user", "--yes"]);
      expect({ status, err, ...nothingOf(person) }).toEqual({
        status: 1,
        err: expect.stringMatching(says),
        ...nothing,
      });
    }
    bed.release("1.10.0");
  });

  test("the source's own copy, without a key and a place, refuses", async () => {
    const own = join(import.meta.dir, "../../scripts/install.sh");
    const run = (...args: string[]) =>
      `${Bun.spawnSync(["bash", own, "--user", "--yes", ...args], { env: bed.person().env }).stderr}`;
    expect(run()).toContain("does not know where releases are");
    expect(run("--base-url", bed.site.url)).toContain("has no key to verify releases with");
  });
});

describe.skipIf(process.getuid?.() !== 0)("the disk", () => {
  const noise = `${standIn("1.3.0")}# ${randomBytes(300_000).toString("base64")}\n`;
  const compressible = `${standIn("1.4.0")}${"#".repeat(400_000)}\n`;
  test.each([
    ["the tarball", "1.3.0", "200k"],
    ["the program", "1.4.0", "200k"],
  ])("when it is full, that is said of %s, and nothing is left on it", async (what, version, size) => {
    bed.release("1.3.0", { program: noise });
    bed.release("1.4.0", { program: compressible });
    const person = bed.person();
    const prefix = join(person.home, "small");
    mkdirSync(prefix);
    const small = `mount -t tmpfs -o size=${size},mode=777 none "$0" && "$@"; status=$?; ls -A "$0"; exit $status`;
    const { status, out, err } = await person.install(["--prefix", prefix, "--yes", "--version", version], {
      around: ["unshare", "-m", "sh", "-c", small, prefix],
    });
    expect({ status, out, err }).toEqual({
      status: 1,
      out: "",
      err: expect.stringMatching(new RegExp(`is full: ${what}.* does not fit\n  hint: make room`)),
    });
  });

  test("from which nothing may be run is not used in silence", async () => {
    const person = bed.person();
    const mounted = 'mount -t tmpfs -o noexec,mode=777 none "$0" && exec "$@"';
    const { status, err } = await person.install(["--yes", "--version", "1.10.0"], {
      around: ["unshare", "-m", "sh", "-c", mounted, person.tmp],
    });
    expect([status, err]).toEqual([
      1,
      expect.stringContaining(`programs may not be run from ${person.tmp}\n  hint: TMPDIR says where else`),
    ]);
  });
});

test("a directory that is not ours to write is said", async () => {
  for (const prefix of ["/proc/here", "/dev/null"]) {
    const { status, err } = await bed.person().install(["--prefix", prefix, "--yes"]);
    expect([status, err]).toEqual([
      1,
      expect.stringContaining("cannot be made\n  hint: --prefix says where else"),
    ]);
  }
});
