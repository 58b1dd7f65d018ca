import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { type ChosenRelease, chooseRelease, firecrackerReleases } from "./firecracker-catalog.ts";
import { installFirecracker } from "./install-firecracker.ts";

const version = "9.8.7";
const member = (program: string) => `release-v${version}-x86_64/${program}-v${version}-x86_64`;

interface Entry {
  name: string;
  content?: string;
  type?: "file" | "symlink" | "directory";
  linkname?: string;
}

function program(name: string, says = version): string {
  return `#!/bin/sh\necho "${name} v${says}"\n`;
}

/** As the official ones are: more in it than the two programs. */
const honest: readonly Entry[] = [
  { name: `release-v${version}-x86_64`, type: "directory" },
  { name: member("firecracker"), content: program("Firecracker") },
  { name: `${member("firecracker")}.debug`, content: "symbols" },
  { name: member("jailer"), content: program("Jailer") },
  { name: `release-v${version}-x86_64/LICENSE`, content: "Apache" },
];

async function archive(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, content = "", type = "file", linkname } of entries) {
    if (type === "file") tar.entry({ name }, content);
    else tar.entry({ name, type, ...(linkname === undefined ? {} : { linkname }) });
  }
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let served: (path: string) => Response = () => new Response(null, { status: 404 });
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => served(new URL(request.url).pathname),
});
afterAll(() => server.stop(true));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-release-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Serves `bytes` as the release; `sha256` is what is asked for. */
function install(bytes: Uint8Array, sha256 = digestOf(bytes), release: Partial<ChosenRelease> = {}) {
  served = () => new Response(bytes);
  return installFirecracker({
    directory: dir,
    signal: new AbortController().signal,
    release: { version, sha256, url: `${server.url}archive.tgz`, ...release },
  });
}

describe("installing Firecracker", () => {
  test("puts both programs side by side, and points current to them", async () => {
    const installed = await install(await archive(honest));
    expect(installed).toMatchObject({ version, fetched: true });
    expect(readFileSync(installed.firecracker, "utf8")).toBe(program("Firecracker"));
    const directory = join(installed.firecracker, "..");
    expect(readdirSync(directory).sort()).toEqual(["firecracker", "jailer"]);
    expect(realpathSync(join(dir, "current"))).toBe(realpathSync(directory));
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("a second time downloads nothing", async () => {
    const bytes = await archive(honest);
    await install(bytes);
    expect((await install(Buffer.from("not asked for"), digestOf(bytes))).fetched).toBe(false);
  });

  test("follows a redirect, as the release page sends one", async () => {
    const bytes = await archive(honest);
    served = (path) => (path === "/moved" ? new Response(bytes) : Response.redirect(`${server.url}moved`));
    const release = { version, sha256: digestOf(bytes), url: `${server.url}archive.tgz` };
    const signal = new AbortController().signal;
    expect((await installFirecracker({ directory: dir, signal, release })).fetched).toBe(true);
  });

  test("another version leaves the one before in its place, and current moves", async () => {
    await install(await archive(honest));
    const before = readlinkSync(join(dir, "current"));
    const newer = honest.map((entry) => ({
      ...entry,
      name: entry.name.replaceAll(version, "9.9.0"),
      ...(entry.content === undefined ? {} : { content: entry.content.replaceAll(version, "9.9.0") }),
    }));
    await install(await archive(newer), undefined, { version: "9.9.0" });
    expect(readlinkSync(join(dir, "current"))).not.toBe(before);
    expect(existsSync(join(dir, before, "jailer"))).toBe(true);
  });
});

describe("refused, and nothing changed:", () => {
  /** Of a directory in which a good version is installed already, refusing must change nothing. */
  async function refuses(attempt: () => Promise<unknown>, code: string, message: RegExp): Promise<void> {
    const good = honest.map((entry) => ({
      ...entry,
      name: entry.name.replaceAll(version, "9.0.0"),
      ...(entry.content === undefined ? {} : { content: entry.content.replaceAll(version, "9.0.0") }),
    }));
    await install(await archive(good), undefined, { version: "9.0.0" });
    const before = { names: readdirSync(dir).sort(), current: readlinkSync(join(dir, "current")) };
    const error = await attempt().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect({ names: readdirSync(dir).sort(), current: readlinkSync(join(dir, "current")) }).toEqual(before);
  }

  test("an archive that was tampered with, at any of its bytes", async () => {
    const bytes = await archive(honest);
    for (const at of [0, 9, 40, bytes.length >> 1, bytes.length - 1]) {
      const bad = Buffer.from(bytes);
      bad.writeUInt8(bad.readUInt8(at) ^ 1, at);
      await refuses(() => install(bad, digestOf(bytes)), "corrupt", /sha256/);
    }
  });

  test("one that is cut off, also when its digest is what was asked for", async () => {
    const bytes = await archive(honest);
    for (const length of [0, 1, 20, bytes.length >> 1, bytes.length - 9, bytes.length - 1]) {
      const part = bytes.subarray(0, length);
      await refuses(() => install(part, digestOf(bytes)), "corrupt", /sha256/);
      await refuses(() => install(part), "corrupt", /cannot be used|does not hold/);
    }
  });

  test("one whose programs are of another version, or other programs, or do not run", async () => {
    for (const [firecracker, jailer] of [
      [program("Firecracker", "9.8.6"), program("Jailer")],
      [program("Firecracker"), program("Jailer", "1.0.0")],
      [program("Jailer"), program("Firecracker")],
      ["\x7fELF that is none", program("Jailer")],
    ]) {
      const bytes = await archive([
        { name: member("firecracker"), content: firecracker ?? "" },
        { name: member("jailer"), content: jailer ?? "" },
      ]);
      await refuses(() => install(bytes), "corrupt", /does not hold Firecracker 9\.8\.7/);
    }
  });

  test("one that lacks a program, or has it twice, empty or as a link", async () => {
    const [top = { name: "" }, firecracker = top, , jailer = top] = honest;
    const cases: [Entry[], RegExp][] = [
      [[top, firecracker], /lacks .*jailer/],
      [[firecracker, firecracker, jailer], /twice/],
      [[firecracker, { name: member("jailer"), content: "" }], /has 0 bytes/],
      [[firecracker, { name: member("jailer"), type: "symlink", linkname: "/bin/sh" }], /no regular file/],
      [[{ name: member("firecracker"), type: "directory" }, jailer], /no regular file/],
    ];
    for (const [entries, message] of cases) {
      const bytes = await archive(entries);
      await refuses(() => install(bytes), "corrupt", message);
    }
  });

  test("one with paths that lead out of it", async () => {
    for (const name of ["../evil", "/etc/evil", `release-v${version}-x86_64/../../evil`]) {
      const bytes = await archive([...honest, { name, content: "x" }]);
      await refuses(() => install(bytes), "corrupt", /leads out of it/);
    }
    expect(existsSync(join(dir, "../evil"))).toBe(false);
  });

  test("one that is larger than any release, packed or unpacked", async () => {
    const endless = () =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)),
      });
    const bytes = await archive(honest);
    await refuses(
      () => {
        served = () => new Response(endless());
        return installFirecracker({
          directory: dir,
          signal: new AbortController().signal,
          release: { version, sha256: digestOf(bytes), url: `${server.url}archive.tgz` },
        });
      },
      "corrupt",
      /is larger than/,
    );
    const bomb = await archive([{ name: member("firecracker"), content: "x".repeat(65 * 1024 ** 2) }]);
    await refuses(() => install(bomb), "corrupt", /has 68157440 bytes/);
  });

  test("a server that has none, breaks off, or is not there", async () => {
    const sha256 = "0".repeat(64);
    const signal = new AbortController().signal;
    const from = (url: string) =>
      installFirecracker({ directory: dir, signal, release: { version, sha256, url } });
    await refuses(
      () => {
        served = () => new Response("gone", { status: 404 });
        return from(`${server.url}archive.tgz`);
      },
      "unavailable",
      /status 404/,
    );
    await refuses(() => from("http://127.0.0.1:1/archive.tgz"), "unavailable", /cannot be downloaded/);
  });
});

describe("the catalog of Firecracker's releases", () => {
  test("pins the version that is installed by default", () => {
    const chosen = chooseRelease({});
    expect(chosen.version).toBe(firecrackerReleases.default);
    expect(chosen.url).toBe(
      `https://github.com/firecracker-microvm/firecracker/releases/download/v${chosen.version}/firecracker-v${chosen.version}-x86_64.tgz`,
    );
  });

  test("takes the user's digest for a version that it does not know, and asks for one otherwise", () => {
    expect(() => chooseRelease({ version: "1.14.1" })).toThrow("knows no sha256");
    expect(chooseRelease({ version: "v1.14.1", sha256: "A".repeat(64) }).sha256).toBe("a".repeat(64));
  });

  test("does not let a digest of the user's replace its own", () => {
    expect(() => chooseRelease({ sha256: "0".repeat(64) })).toThrow("not that one");
  });

  test.each([["latest"], ["1.2"], ["1.2.3/../../x"], ["1.2.3.4"], [""]])(
    "refuses %p for a version",
    (wanted) => {
      expect(() => chooseRelease({ version: wanted, sha256: "0".repeat(64) })).toThrow("is not a version");
    },
  );

  test("refuses what is no sha256", () => {
    expect(() => chooseRelease({ version: "1.14.1", sha256: "abc" })).toThrow("64 hexadecimal digits");
  });
});
