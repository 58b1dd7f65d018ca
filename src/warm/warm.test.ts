import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checksum } from "./checksum.ts";
import { readManifest } from "./manifest.ts";
import { openTemplates, type Templates, templateName } from "./warm.ts";

let dir: string;
let store: Templates;
const said: string[] = [];
const log = { warn: (message: string, facts?: object) => void said.push(message + JSON.stringify(facts)) };
const open = () => openTemplates(dir, { maxBytes: 1 << 30, log });

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-templates-"));
  store = open();
  said.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true }));

/** 1 MiB with something at its beginning, and holes. */
function sparse(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  truncateSync(path, 1 << 20);
}

async function publish(cpu: string, id = "7e57ab1e-0000-4000-8000-000000000001"): Promise<string> {
  const directory = join(dir, id);
  mkdirSync(directory, { mode: 0o700 });
  for (const name of ["memory", "root.qcow2", "work.ext4"]) sparse(join(directory, name), `${name} of ${id}`);
  writeFileSync(join(directory, "state"), "state", { mode: 0o600 });
  writeFileSync(join(directory, "ssh_host_ed25519_key"), "a key", { mode: 0o600 });
  const root = { path: join(directory, "root.qcow2"), format: "qcow2" as const, strategy: "overlay" };
  await store.publish({ directory, id, record: { cpu }, root, work: join(directory, "work.ext4") });
  return templateName({ cpu });
}

/** Changes one byte in the middle, and nothing that stat(2) shows but the times. */
function flip(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, "x", 700_000);
  closeSync(file);
}

describe("the store of templates", () => {
  test("hands out what was published, and nothing else that was in its directory", async () => {
    const key = await publish("a");
    const found = await store.lookup(key);
    expect(found).toMatchObject({ key, memory: join(dir, key, "memory"), root: { format: "qcow2" } });
    expect(readdirSync(join(dir, key)).sort()).toEqual([
      ...["manifest.json", "memory", "root.qcow2", "state", "work.ext4"],
    ]);
    expect(await store.lookup(templateName({ cpu: "b" }))).toBe("none");
  });

  const damages: Record<string, (template: string) => void> = {
    "a flipped bit in the memory": (path) => flip(join(path, "memory")),
    "a flipped bit in a disk": (path) => flip(join(path, "work.ext4")),
    "a state that was cut short": (path) => truncateSync(join(path, "state"), 2),
    "a missing disk": (path) => rmSync(join(path, "root.qcow2")),
    "a link": (path) => {
      renameSync(join(path, "state"), join(dir, "elsewhere"));
      symlinkSync(join(dir, "elsewhere"), join(path, "state"));
    },
    "a file that others may write": (path) => chmodSync(join(path, "memory"), 0o666),
    "a manifest that is none": (path) => writeFileSync(join(path, "manifest.json"), "{}"),
    "a file of somebody else's": (path) => chownSync(join(path, "state"), 1, 1),
    "a manifest of somebody else's": (path) => chownSync(join(path, "manifest.json"), 1, 1),
    "a directory of somebody else's": (path) => chownSync(path, 1, 1),
    "a directory that others may write": (path) => chmodSync(path, 0o777),
    "a manifest that is a link": (path) => {
      renameSync(join(path, "manifest.json"), join(dir, "elsewhere"));
      symlinkSync(join(dir, "elsewhere"), join(path, "manifest.json"));
    },
    "a manifest that was made to fit a changed file": (path) => {
      const manifest = join(path, "manifest.json");
      truncateSync(join(path, "state"), 4);
      writeFileSync(manifest, readFileSync(manifest, "utf8").replace('"size":5', '"size":4'));
    },
    "a pipe for a manifest": (path) => {
      rmSync(join(path, "manifest.json"));
      Bun.spawnSync(["mkfifo", "-m", "600", join(path, "manifest.json")]);
    },
    "no manifest": (path) => rmSync(join(path, "manifest.json")),
    "a swapped memory": (path) => {
      writeFileSync(join(path, "memory"), readFileSync(join(path, "work.ext4")));
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    test.skipIf(what.includes("somebody else") && process.getuid?.() !== 0)(
      `removes a template with ${what}, whoever looks first`,
      async () => {
        for (const looks of ["the same daemon", "the next one"]) {
          const key = await publish("a");
          expect(await store.lookup(key)).toMatchObject({ key });
          damage(join(dir, key));
          if (looks === "the next one") store = open();
          expect(await store.lookup(key)).toBe("damaged");
          expect(await store.lookup(key)).toBe("none");
          expect(said.length).toBe(1);
          said.length = 0;
          rmSync(join(dir, "elsewhere"), { force: true });
          expect(readdirSync(dir)).toEqual([]);
        }
      },
    );
  }

  test("sees each bit of the manifest", async () => {
    const key = await publish("a");
    const manifest = join(dir, key, "manifest.json");
    const good = readFileSync(manifest);
    expect(good.length).toBeGreaterThan(400);
    for (let bit = 0; bit < good.length * 8; bit += 37) {
      const bad = Buffer.from(good);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      writeFileSync(manifest, bad);
      expect(() => readManifest(join(dir, key))).toThrow();
    }
    writeFileSync(manifest, good);
    expect(await store.lookup(key)).toMatchObject({ key });
  });

  test("knows two templates that have each other's memory", async () => {
    const [one, other] = [await publish("a"), await publish("b", "7e57ab1e-0000-4000-8000-000000000002")];
    const memory = (key: string) => join(dir, key, "memory");
    renameSync(memory(one), join(dir, "x"));
    renameSync(memory(other), memory(one));
    renameSync(join(dir, "x"), memory(other));
    for (const key of [one, other]) expect(await store.lookup(key)).toBe("damaged");
  });

  test("knows a template that has taken another's place", async () => {
    const [one, other] = [await publish("a"), await publish("b", "7e57ab1e-0000-4000-8000-000000000002")];
    rmSync(join(dir, one), { recursive: true });
    renameSync(join(dir, other), join(dir, one));
    expect(await store.lookup(one)).toBe("damaged");
  });

  test("takes the very template that was chosen, and no later one of its key", async () => {
    const key = await publish("a");
    const first = { key, id: "7e57ab1e-0000-4000-8000-000000000001" };
    expect(await store.take(first)).toMatchObject(first);
    const second = "7e57ab1e-0000-4000-8000-000000000002";
    await publish("a", second);
    expect(await store.take(first)).toBeUndefined();
    await store.drop(key, first.id);
    expect(await store.take({ key, id: second })).toMatchObject({ key });
  });

  test("is empty, and no reason to fail, where there is no directory for any", async () => {
    rmSync(dir, { recursive: true });
    writeFileSync(dir, "");
    await store.tidy();
    const key = templateName({ cpu: "a" });
    expect([await store.lookup(key), await store.list(), await store.fit(0)]).toEqual(["none", [], []]);
    expect(said.length).toBe(3);
  });

  test("gives room by the time of last use", async () => {
    const keys = [];
    for (const [index, cpu] of ["a", "b", "c"].entries()) {
      keys.push(await publish(cpu, `7e57ab1e-0000-4000-8000-00000000000${index}`));
      utimesSync(join(dir, keys[index] ?? ""), index, index);
    }
    await store.take({ key: keys[0] ?? "", id: "7e57ab1e-0000-4000-8000-000000000000" });
    const listed = await store.list();
    expect(listed.map(({ key }) => key)).toEqual([keys[0], keys[2], keys[1]].map((key) => key ?? ""));
    const { sizeBytes = 0 } = listed[0] ?? {};
    expect(sizeBytes).toBeLessThan(1 << 20);
    expect((await store.fit(2 * sizeBytes)).map(({ key }) => key)).toEqual([keys[1] ?? ""]);
    expect((await store.fit(0)).length).toBe(2);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("removes what a killed daemon has left, and keeps its templates", async () => {
    const key = await publish("a");
    mkdirSync(join(dir, "7e57ab1e-0000-4000-8000-000000000002"));
    mkdirSync(join(dir, ".dropped-x"));
    await open().tidy();
    expect(readdirSync(dir)).toEqual([key]);
  });
});

test("a checksum is the same for zeros and for holes, and differs for all else", async () => {
  const path = join(dir, "file");
  sparse(path, "begin");
  const before = await checksum(path);
  writeFileSync(path, readFileSync(path));
  expect(statSync(path).blocks * 512).toBe(1 << 20);
  expect(await checksum(path)).toBe(before);
  truncateSync(path, (1 << 20) + 1);
  expect(await checksum(path)).not.toBe(before);
});
