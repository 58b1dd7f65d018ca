import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { readArchive } from "../tar/testing/archive.ts";
import { packFileSync } from "./file-sync.ts";

let home: string;
let warned: string[];
const path = () => join(home, "..", "file-sync.tar");
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "file-sync-")), "home");
  mkdirSync(home);
  warned = [];
});
afterEach(() => rmSync(join(home, ".."), { recursive: true, force: true }));

async function packed(...entries: [host: string, guest: string, mode?: number][]) {
  const warn = (_message: string, facts: Record<string, unknown> = {}) =>
    void warned.push(`${facts.path}: ${facts.what}`.replaceAll(home, "HOME"));
  const log = { debug() {}, info() {}, warn, error() {} };
  const sync = {
    home,
    entries: entries.map(([host, guest, mode = 0o600]) => ({
      ...{ shown: `~/${host}`, host: join(home, host), guest, mode },
    })),
  };
  const { signal } = new AbortController();
  await packFileSync(sync, path(), { log, durable: false, signal });
  return readArchive(readFileSync(path())).map((entry) => [
    entry.path.toString(),
    entry.mode,
    entry.content.toString(),
  ]);
}

describe("file_sync", () => {
  test("a file has the entry's mode, a directory's files keep their own", async () => {
    writeFileSync(join(home, "secret"), "s", { mode: 0o644 });
    mkdirSync(join(home, "tools/sub"), { recursive: true });
    writeFileSync(join(home, "tools/run"), "r");
    chmodSync(join(home, "tools/run"), 0o755);
    expect(
      await packed(["secret", ".secret"], ["secret", "open", 0o644], ["tools", "t/ools", 0o777]),
    ).toEqual([
      [".secret", 0o600, "s"],
      ["open", 0o644, "s"],
      ["t/ools/", 0o755, ""],
      ["t/ools/run", 0o755, "r"],
      ["t/ools/sub/", 0o755, ""],
    ]);
  });

  test("what is not there is left out with a warning", async () => {
    symlinkSync("gone", join(home, "dangling"));
    expect(await packed(["none", "a"], ["dangling", "b"])).toEqual([]);
    expect(warned).toEqual(["~/none: it is not there", "~/dangling: it is not there"]);
  });

  test("a link is followed inside of the home, and links further in are left out with a warning", async () => {
    mkdirSync(join(home, "real"));
    writeFileSync(join(home, "real/f"), "f");
    symlinkSync("f", join(home, "real/inner"));
    symlinkSync("real", join(home, "link"));
    expect(await packed(["link", "l"])).toEqual([
      ["l/", 0o755, ""],
      ["l/f", 0o644, "f"],
    ]);
    expect(warned).toEqual(["HOME/real/inner: a symbolic link"]);
  });

  test.each([
    ["itself", ""],
    ["through a directory", "/passwd"],
  ])("a link out of the home, %s, fails the creation", async (_how, further) => {
    symlinkSync(further === "" ? "/etc/passwd" : "/etc", join(home, "out"));
    const failed = await packed([`out${further}`, "x"]).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(BangerError);
    expect(String(failed)).toContain(
      `file_sync: ~/out${further} (file_sync.0) is a link to /etc/passwd, outside of ${home}`,
    );
    expect(existsSync(path())).toBe(false);
  });
});
