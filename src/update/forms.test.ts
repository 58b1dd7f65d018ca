/** Signatures and tarballs have one form each: whatever else could be read as one is refused. */
import { afterEach, beforeEach, describe, test } from "bun:test";
import { archive, Bed, refused } from "./testing/bed.ts";

let bed: Bed;
beforeEach(() => {
  bed = new Bed();
});
afterEach(() => bed.end());

describe("a signature is one line of base64 in its one form:", () => {
  const shapes: Record<string, (sig: string) => string> = {
    "a space before it": (sig) => ` ${sig}`,
    "a space behind it": (sig) => `${sig} `,
    "a tab behind it": (sig) => `${sig}\t`,
    "two ends of a line": (sig) => `${sig}\n\n`,
    "an end of a line of another system": (sig) => `${sig}\r\n`,
    "a byte order mark": (sig) => `\ufeff${sig}`,
    "a NUL": (sig) => `${sig}\0`,
    "letters that are not base64's around it": (sig) => `!${sig}!`,
    "letters within it that a lenient decoder leaves out": (sig) => `${sig.slice(0, 8)}*${sig.slice(8)}`,
    "a line's end within it": (sig) => `${sig.slice(0, 64)}\n${sig.slice(64)}`,
    base64url: (sig) => sig.replaceAll("+", "-").replaceAll("/", "_").replace(/^./, "-"),
    "no padding": (sig) => (sig.endsWith("=") ? sig.replace(/=+$/, "") : `${sig}=`),
    "more padding": (sig) => `${sig}====`,
    "the signature twice": (sig) => sig + sig,
    "another signature behind it": (sig) => `${sig}\n${sig}\n`,
    "bytes behind the end of the DER": (sig) =>
      Buffer.concat([Buffer.from(sig, "base64"), Buffer.alloc(2)]).toString("base64"),
    "DER of another form": (sig) => {
      const der = Buffer.from(sig, "base64");
      return Buffer.concat([Buffer.from([0x30, 0x81]), der.subarray(1)]).toString("base64");
    },
    hex: (sig) => Buffer.from(sig, "base64").toString("hex"),
    PEM: (sig) => `-----BEGIN SIGNATURE-----\n${sig}\n-----END SIGNATURE-----\n`,
    "half of it": (sig) => sig.slice(0, sig.length / 2),
  };
  test.each(Object.entries(shapes))("%s", async (_, shape) => {
    const served = bed.of("1.3.0");
    bed.files.set("1.3.0/SHA256SUMS.sig", Buffer.from(shape(served.sig.toString().trim()), "utf8"));
    await refused(bed, /the signature of v1\.3\.0 is not right|larger than/);
  });
});

describe("what is in the tarball, though it was signed:", () => {
  test.each([
    ["nothing", []],
    ["another name", [["bangerd", "x"]]],
    ["a path that leads out", [["../banger", "x"]]],
    ["a path from the root", [["/banger", "x"]]],
    ["a path within", [["./banger", "x"]]],
    [
      "the program twice",
      [
        ["banger", "#!/bin/sh\n"],
        ["banger", "#!/bin/sh\n"],
      ],
    ],
    [
      "something beside it",
      [
        ["banger", "#!/bin/sh\n"],
        ["README", "x"],
      ],
    ],
    ["a link in its place", [["banger", null]]],
    ["an empty program", [["banger", ""]]],
  ] as [string, [string, string | null][]][])("%s", async (_, members) => {
    bed.release("1.3.0", { tarball: archive(members) });
    await refused(bed, /the archive cannot be used/);
  });

  test("no archive", async () => {
    bed.release("1.3.0", { tarball: Buffer.from("#!/bin/sh\n") });
    await refused(bed, /the archive cannot be used/);
  });
});
