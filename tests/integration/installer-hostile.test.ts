/** What scripts/install.sh refuses: each thing on the server changed in turn, and nothing of it is run, unpacked or left. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bed, change, openBed, refused, standIn, tar } from "./installer-fixture.ts";

let bed: Bed;
let at: Record<"sums" | "sig" | "tarball", string>;
beforeAll(async () => {
  bed = await openBed();
  const sums = join(bed.site.dir, "1.3.0/SHA256SUMS");
  at = {
    ...{ sums, sig: `${sums}.sig` },
    tarball: join(bed.site.dir, "1.3.0/banger-1.3.0-linux-amd64.tar.gz"),
  };
});
beforeEach(() => {
  rmSync(bed.site.dir, { recursive: true, force: true });
  bed.release("1.2.0");
  bed.release("1.3.0");
});
afterAll(() => bed.end());

const signed = (by?: string) => writeFileSync(at.sig, `${bed.sign(at.sums, by)}\n`);

describe("what was signed", () => {
  const notRight = /the signature of v1\.3\.0 is not right: nothing was installed\n {2}hint: /;
  test("has to be what is there, by that key, for that release", async () => {
    const cases: [string, () => void, RegExp][] = [
      [
        "one bit of the tarball",
        () =>
          change(
            at.tarball,
            (text) => `${text.slice(0, 60)}${String.fromCharCode(text.charCodeAt(60) ^ 1)}${text.slice(61)}`,
          ),
        /not the one that was signed/,
      ],
      [
        "a tarball with more behind it",
        () => change(at.tarball, (text) => `${text}\0`),
        /not the one that was signed/,
      ],
      [
        "the tarball of another release",
        () => renameSync(join(bed.site.dir, "1.2.0/banger-1.2.0-linux-amd64.tar.gz"), at.tarball),
        /not the one that was signed/,
      ],
      [
        "another checksum",
        () => change(at.sums, (text) => text.replace(/[0-9a-f]{64}/, "0".repeat(64))),
        notRight,
      ],
      ["another date", () => change(at.sums, (text) => text.replace("2026", "2027")), notRight],
      ["line ends of DOS", () => change(at.sums, (text) => text.replaceAll("\n", "\r\n")), notRight],
      ["a mark before it", () => change(at.sums, (text) => `\xef\xbb\xbf${text}`), notRight],
      ["one line more", () => change(at.sums, (text) => `${text}\n`), notRight],
      ["no checksums", () => writeFileSync(at.sums, ""), notRight],
      ["another's key", () => signed("other"), notRight],
      [
        "the signature of another release",
        () => renameSync(join(bed.site.dir, "1.2.0/SHA256SUMS.sig"), at.sig),
        notRight,
      ],
      [
        "all of another release",
        () => {
          for (const file of ["SHA256SUMS", "SHA256SUMS.sig"])
            renameSync(join(bed.site.dir, "1.2.0", file), join(bed.site.dir, "1.3.0", file));
        },
        /the server gave what was signed for banger 1\.2\.0, not for 1\.3\.0/,
      ],
    ];
    for (const [name, how, says] of cases) {
      bed.release("1.2.0");
      bed.release("1.3.0");
      how();
      await refused(bed, name, says);
    }
  });

  test("is refused when it says nothing, two things, or something else, though the signature is right", async () => {
    const sum = "0".repeat(64);
    const cases: [string, (text: string) => string, RegExp][] = [
      ["nothing", () => "", /signed for nothing, not for 1\.3\.0/],
      ["no version", (text) => text.replace("# banger 1.3.0\n", ""), /signed for nothing/],
      ["two versions", (text) => `${text}# banger 1.2.0\n`, /signed for banger 1\.3\.0 1\.2\.0/],
      ["no date", (text) => text.replace(/# date .*\n/, ""), /do not say when/],
      ["a date that is none", (text) => text.replace(/# date .*/, "# date \x1b[2J"), /do not say when/],
      ["no tarball", (text) => text.replace("linux-amd64", "linux-arm64"), /name its tarball 0 times/],
      [
        "two tarballs",
        (text) => `${text}${sum} *banger-1.3.0-linux-amd64.tar.gz\n`,
        /name its tarball 2 times/,
      ],
      ["a path", (text) => `${text}${sum}  ../x\n`, /are malformed/],
      ["a short checksum", (text) => `${text}${sum.slice(1)}  x\n`, /are malformed/],
      ["one space", (text) => `${text}${sum} x\n`, /are malformed/],
      ["BSD's form", (text) => `${text}SHA256 (x) = ${sum}\n`, /are malformed/],
    ];
    for (const [name, sums, says] of cases) {
      bed.release("1.3.0", { sums });
      await refused(bed, name, says);
    }
  });

  test("may name other files, in either of GNU's modes, and in capitals", async () => {
    bed.release("1.3.0", {
      sums: (text) =>
        `${text.replace(/[0-9a-f]{64} {2}/, (sum) => `${sum.toUpperCase().trim()} *`)}\n# more\n${"0".repeat(64)}  LICENSES\n`,
    });
    const { status, err } = await bed.person().install(["--user", "--yes"]);
    expect(status, err).toBe(0);
  });
});

test("a signature is one line of base64 in its one form", async () => {
  const whole = (text: string) => text.trim();
  const cases: [string, (text: string) => string][] = [
    ["nothing", () => ""],
    ["a line end alone", () => "\n"],
    ["no line end", whole],
    ["two line ends", (text) => `${text}\n`],
    ["a line end of DOS", (text) => `${whole(text)}\r\n`],
    ["a space before", (text) => ` ${text}`],
    ["a space behind", (text) => `${whole(text)} \n`],
    ["two lines", (text) => `${text.slice(0, 64)}\n${text.slice(64)}`],
    ["a zero within", (text) => `${text.slice(0, 8)}\0${text.slice(8)}`],
    ["a mark before it", (text) => `\xef\xbb\xbf${text}`],
    ["the letters for URLs", (text) => `_-${text.slice(2)}`],
    ["words around", (text) => `!!${whole(text)}\n##\n`],
    ["padding too much", (text) => `${whole(text)}====\n`],
    ["padding without a need", (text) => `${whole(text).replace(/=+$/, "")}A===\n`],
    ["itself twice", (text) => `${whole(text)}${text}`],
    ["DER, not base64", (text) => Buffer.from(text, "base64").toString("latin1")],
    ["PEM", (text) => `-----BEGIN SIGNATURE-----\n${text}-----END SIGNATURE-----\n`],
    ["JSON", (text) => JSON.stringify({ base64Signature: whole(text) })],
  ];
  for (const [name, how] of cases) {
    bed.release("1.3.0");
    change(at.sig, how);
    await refused(bed, name, /the signature of v1\.3\.0 is malformed: nothing was installed/);
  }
  // The longest one has no padding, so that more of it is base64 still.
  let longest = "";
  while (Buffer.from(longest, "base64").length !== 72) longest = bed.sign(at.sums);
  for (const more of [longest, "AAAA", "AA=="]) {
    writeFileSync(at.sig, `${longest}${more}\n`);
    await refused(bed, "longer than any", /the signature of v1\.3\.0 is malformed: nothing was installed/);
  }
  rmSync(at.sig);
  await refused(bed, "none there", /the signature of v1\.3\.0 is not to be had: .*\n.*404/);
});

describe("the tarball", () => {
  test("has one member, the file banger, though its signature is right", async () => {
    const cases: Record<string, (dir: string, tarball: string) => void> = {
      "two files": (dir, tarball) => {
        writeFileSync(join(dir, "more"), "");
        tar("-czf", tarball, "-C", dir, "banger", "more");
      },
      "the same twice": (dir, tarball) =>
        tar("-czf", tarball, "--hard-dereference", "-C", dir, "banger", "./banger", "--transform", "s,^./,,"),
      "another name": (dir, tarball) => tar("-czf", tarball, "-C", dir, "--transform", "s,^,x,", "banger"),
      "a path before it": (dir, tarball) => tar("-czf", tarball, "-C", dir, "./banger"),
      "out of its place": (dir, tarball) =>
        tar("-cPzf", tarball, "-C", dir, "--transform", "s,^,../,", "banger"),
      "from the root": (dir, tarball) => tar("-cPzf", tarball, join(dir, "banger")),
      "a directory": (dir, tarball) => tar("-czf", tarball, "-C", dir, "."),
      "a symbolic link": (dir, tarball) => {
        rmSync(join(dir, "banger"));
        symlinkSync("/bin/true", join(dir, "banger"));
        tar("-czf", tarball, "-C", dir, "banger");
      },
      "a hard link": (dir, tarball) => {
        linkSync(join(dir, "banger"), join(dir, "a"));
        tar("-czf", tarball, "-C", dir, "a", "banger");
        rmSync(join(dir, "a"));
      },
      "a pipe": (dir, tarball) => {
        rmSync(join(dir, "banger"));
        execFileSync("mkfifo", [join(dir, "banger")]);
        tar("-czf", tarball, "-C", dir, "banger");
      },
      nothing: (_dir, tarball) => tar("-czf", tarball, "-T", "/dev/null"),
      "no gzip": (dir, tarball) => tar("-cf", tarball, "-C", dir, "banger"),
      "no tar": (_dir, tarball) => writeFileSync(tarball, "no tar"),
    };
    for (const [name, pack] of Object.entries(cases)) {
      rmSync(join(bed.dir, "program-1.3.0"), { recursive: true, force: true });
      bed.release("1.3.0", { pack });
      await refused(bed, name, /has something else in it than one program: nothing was installed/);
    }
    rmSync(join(bed.dir, "program-1.3.0"), { recursive: true, force: true });
  });

  test("is neither unpacked nor run before it is verified: strace", async () => {
    const trace = async (name: string) => {
      const path = join(bed.dir, name);
      writeFileSync(path, "", { mode: 0o666 });
      const { status } = await bed.person().install(["--user", "--yes"], {
        around: ["strace", "-f", "-qq", "-s", "200", "-e", "trace=execve", "-o", path],
      });
      const started = [
        ...readFileSync(path, "utf8").matchAll(/execve\("([^"]+)", \[(.*?)\](?:, |\.\.\.).* = 0$/gm),
      ];
      const words = started.map(([, program, args]) => `${program} ${args}`);
      const first = (what: RegExp) => words.findIndex((line) => what.test(line));
      const own = first(/^\S*\.banger-install\.\S*\/banger /);
      return {
        status,
        own,
        tar: first(/\/tar "tar"/),
        signature: first(/openssl.*"-verify"/),
        sum: words.findLastIndex((line) => /\/sha256sum /.test(line)),
      };
    };
    const good = await trace("good");
    expect(good.status).toBe(0);
    expect([good.signature, good.sum, good.tar, good.own].every((index) => index >= 0)).toBe(true);
    expect(good.signature).toBeLessThan(good.sum);
    expect(good.sum).toBeLessThan(good.tar);
    expect(good.tar).toBeLessThan(good.own);
    change(at.tarball, (text) => `${text}x`);
    expect(await trace("other")).toMatchObject({ status: 1, tar: -1, own: -1 });
  });
});

test("the stand-in would have been seen: what is installed does write its calls down", async () => {
  const person = bed.person();
  await person.install(["--yes"]);
  expect(person.calls()).toHaveLength(2);
  expect(standIn("1")).toContain("CALLS");
});
