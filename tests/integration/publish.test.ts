/** Images and kernels on their way from one machine's store into another's: published, listed, pulled, and what goes wrong on the way. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { openSite, type PublishBed, publishBed, release, type Site, type World } from "./publish-fixture.ts";

let bed: PublishBed;
let site: Site;
const catalog = () => join(site.dir, "catalog.json");
const listed = () => JSON.parse(readFileSync(catalog(), "utf8"));

beforeAll(async () => {
  bed = await publishBed();
  site = await openSite(join(bed.dir, "site"));
  const signed = ["--to", site.dir, "--catalog", catalog(), "--level", "3", "--sign-key", bed.signKey];
  const kernel = await bed.publish("kernel", "tiny", ...signed, "--description", "a tiny one");
  expect(kernel.status, kernel.err).toBe(0);
  const image = await bed.publish(
    "image",
    "team",
    ...signed,
    "--url",
    site.url,
    "--description",
    "the team's",
  );
  expect(image.status, image.err).toBe(0);
  cpSync(site.dir, join(bed.dir, "published"), { recursive: true });
});
afterAll(async () => {
  site.close();
  await bed.end();
});
beforeEach(() => {
  rmSync(site.dir, { recursive: true });
  cpSync(join(bed.dir, "published"), site.dir, { recursive: true });
  site.requests.length = 0;
  site.intercept = () => false;
});

const puller = () => bed.clean(bed.trusting(`${site.url}/catalog.json`));

async function show(world: World, kind: "image" | "kernel", name: string) {
  return JSON.parse((await world.banger(kind, "show", name)).out);
}

function bundleOf(name: string): string {
  const found = readdirSync(site.dir).find((file) => file.startsWith(`${name}-amd64-`));
  return join(site.dir, found ?? "");
}

describe("publishing", () => {
  test("puts the bundles and a signed catalog into the directory, and nothing else", () => {
    expect(readdirSync(site.dir).sort()).toEqual([
      "catalog.json",
      "catalog.json.sig",
      expect.stringMatching(/^team-amd64-[0-9a-f]{12}\.tar\.zst$/),
      expect.stringMatching(/^tiny-amd64-[0-9a-f]{12}\.tar\.zst$/),
    ]);
    const { serial, images, kernels } = listed();
    expect(serial).toBe(2);
    expect(images).toMatchObject([{ name: "team", description: "the team's", kernel: "tiny" }]);
    expect(images[0].bundle.url).toBe(`${site.url}/${bundleOf("team").split("/").at(-1)}`);
    expect(kernels).toMatchObject([{ name: "tiny", bundle: { url: bundleOf("tiny").split("/").at(-1) } }]);
    expect(statSync(bundleOf("team")).mode & 0o777).toBe(0o644);
  });

  test("may be done again: the same bundle, the same description, a higher serial number", async () => {
    const before = readFileSync(bundleOf("team"));
    const signed = ["--to", site.dir, "--catalog", catalog(), "--level", "3", "--sign-key", bed.signKey];
    const { status, err } = await bed.publish("image", "team", ...signed);
    expect(status, err).toBe(0);
    expect(readFileSync(bundleOf("team")).equals(before)).toBe(true);
    expect(listed()).toMatchObject({ serial: 3, images: [{ description: "the team's" }], kernels: [{}] });
    expect(readdirSync(site.dir).length).toBe(4);
  });

  test.each<[string, () => string[], RegExp]>([
    ["over another file of its name", () => ["--to", site.dir, "--sign-key", bed.signKey], /another file at/],
    [
      "into a signed catalog without its key",
      () => ["--to", join(bed.dir, "new")],
      /is signed.*\n.*--sign-key/,
    ],
    [
      "at an address that does not have it",
      () => ["--to", join(bed.dir, "new"), "--sign-key", bed.signKey, "--url", `${site.url}/else/`],
      /status 404\n.*run this once more/,
    ],
  ])("is refused %s, and the catalog stays as it was", async (_, args, message) => {
    const before = readFileSync(catalog());
    writeFileSync(bundleOf("team"), "another");
    const { status, err } = await bed.publish(
      "image",
      "team",
      "--catalog",
      catalog(),
      "--level",
      "3",
      ...args(),
    );
    expect(status).toBe(1);
    expect(err).toMatch(message);
    expect(readFileSync(bundleOf("team"), "utf8")).toBe("another");
    expect(readFileSync(catalog()).equals(before)).toBe(true);
    rmSync(join(bed.dir, "new"), { recursive: true, force: true });
  });

  test("into a catalog with recipes changes nothing but the entry's bundle", async () => {
    const path = join(bed.dir, "kernels.json");
    const kernel = {
      name: "tiny",
      description: "ours",
      arch: "amd64",
      recipe: { suite: "bookworm", package: "p" },
    };
    const other = { ...kernel, name: "other" };
    writeFileSync(path, JSON.stringify({ version: 1, kernels: [kernel, other] }));
    const args = ["tiny", "--to", site.dir, "--catalog", path, "--level", "3"];
    expect((await bed.publish("kernel", ...args)).err).toContain("--url BASE");
    const { status, err } = await bed.publish("kernel", ...args, "--url", `${site.url}/`);
    expect(status, err).toBe(0);
    const { bundle } = listed().kernels[0];
    const set = { ...kernel, bundle: { ...bundle, url: `${site.url}/${bundle.url}` } };
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ version: 1, kernels: [set, other] });
    const image = await bed.publish("image", "team", "--to", site.dir, "--catalog", path, "--url", site.url);
    expect(image.err).toMatch(/no recipe for team among its images/);
  });

  test("goes to an rsync server and to a remote of rclone, once, and never over another file", async () => {
    const rsync = await rsyncServer(join(bed.dir, "rsync"));
    try {
      for (const to of [
        ["--to", `${rsync.url}/site/`],
        ["--to", `:local:${join(bed.dir, "rsync/rclone")}`, "--rclone"],
      ]) {
        const place = join(
          bed.dir,
          "rsync",
          to.length === 2 ? "" : "rclone",
          bundleOf("tiny").split("/").at(-1) ?? "",
        );
        const publish = () =>
          bed.publish("kernel", "tiny", ...to, "--catalog", join(bed.dir, "far.json"), "--level", "3");
        for (const _ of ["new", "there already"]) {
          const { status, err } = await publish();
          expect(status, err).toBe(0);
          expect(readFileSync(place).equals(readFileSync(bundleOf("tiny")))).toBe(true);
        }
        writeFileSync(place, Buffer.alloc(statSync(place).size));
        expect((await publish()).err).toMatch(/another file at/);
        expect(readFileSync(place).every((byte) => byte === 0)).toBe(true);
      }
    } finally {
      await rsync.end();
    }
  });
});

describe("a clean banger", () => {
  test("lists what is published, and pulls an image with its kernel", async () => {
    const world = puller();
    const images = await world.banger("image", "list", "--available");
    expect(images.err).toBe("");
    expect(images.out).toMatch(/team +- +available +tiny .*the team's/);
    expect((await world.banger("kernel", "list", "--available")).out).toMatch(
      /tiny +- +available .*a tiny one/,
    );
    const { status, out, err } = await world.banger("image", "pull", "team");
    expect([status, out], err).toEqual([0, "team\n"]);
    const [made, pulled] = await Promise.all([bed.maker, world].map((one) => show(one, "image", "team")));
    expect(pulled).toMatchObject({ kind: "bundle", kernel: "tiny", present: true });
    const rootfs = (path: string) => readFileSync(join(path, "rootfs.ext4"));
    expect(rootfs(pulled.path).equals(rootfs(made.path))).toBe(true);
    expect(readFileSync(join(pulled.path, "seed/.profile"), "utf8")).toBe("# the team's\n");
    const kernel = await show(world, "kernel", "tiny");
    expect(kernel).toMatchObject({ version: release, id: (await show(bed.maker, "kernel", "tiny")).id });
    expect(world.partialBytes()).toBe(0);
    // Once more, it is there.
    site.requests.length = 0;
    expect((await world.banger("image", "pull", "team")).status).toBe(0);
    expect(site.requests.filter((request) => request.includes(".zst"))).toEqual([]);
  });

  test("goes by the catalog that it saw last when there is none to be had, and says so", async () => {
    const gone = await openSite(join(bed.dir, "site"));
    const world = bed.clean(bed.trusting(`${gone.url}/catalog.json`));
    await world.banger("image", "list", "--available");
    gone.close();
    const { status, out, err } = await world.banger("image", "list", "--available");
    expect([status, out]).toEqual([0, expect.stringMatching(/team +- +available/)]);
    expect(err).toMatch(/^warning: catalog .* cannot be had .*going by what it said at/);
  });

  test.each<[string, () => Promise<unknown> | unknown]>([
    [
      "was changed behind its signature",
      () => writeFileSync(catalog(), JSON.stringify({ ...listed(), serial: 9 })),
    ],
    [
      "was signed by somebody else",
      () =>
        bed.publish(
          "kernel",
          ...["tiny", "--to", site.dir, "--catalog", catalog(), "--level", "3"],
          ...["--sign-key", bed.otherKey],
        ),
    ],
  ])("believes no catalog that %s", async (_, tamper) => {
    await tamper();
    const world = puller();
    const { out, err } = await world.banger("image", "list", "--available");
    expect(out).not.toContain("team");
    expect(err).toContain("is not signed by the key that config.toml has for it");
    const pulled = await world.banger("image", "pull", "team");
    expect(pulled.status).toBe(1);
    expect(pulled.err).toContain("whether there is image team is not known");
    expect(world.stored("images")).toEqual([]);
  });

  test("refuses a bundle of which one bit is another", async () => {
    const bytes = readFileSync(bundleOf("team"));
    bytes[5_000_000] = (bytes[5_000_000] ?? 0) ^ 1;
    writeFileSync(bundleOf("team"), bytes);
    const world = puller();
    const { status, err } = await world.banger("image", "pull", "team");
    expect(status).toBe(1);
    expect(err).toMatch(/is another one|no zstd/);
    expect([world.stored("images"), world.partialBytes()]).toEqual([[], 0]);
  });

  test("whose daemon is killed in the middle goes on where it was, and nothing else is left", async () => {
    const world = puller();
    const bytes = readFileSync(bundleOf("team"));
    const sent = 4_000_000;
    site.intercept = (request, response) => {
      if (!request.url?.includes("team-")) return false;
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, sent));
      return true;
    };
    const pulling = world.banger("image", "pull", "team");
    while (world.partialBytes() < sent) await Bun.sleep(20);
    expect(world.stored("images")).toEqual([expect.stringMatching(/^\.staging-/)]);
    process.kill(JSON.parse((await world.banger("daemon", "status", "--json")).out).pid, "SIGKILL");
    expect((await pulling).status).toBe(1);

    site.intercept = () => false;
    site.requests.length = 0;
    expect((await world.banger("image", "list", "-q")).out).toBe("");
    expect(world.stored("images")).toEqual([]);
    const { status, err } = await world.banger("image", "pull", "team");
    expect(status, err).toBe(0);
    expect(site.requests.filter((request) => request.includes("team-"))).toEqual([
      expect.stringMatching(new RegExp(`^GET .* bytes=${sent}-$`)),
    ]);
    expect(world.stored("images")).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(world.partialBytes()).toBe(0);
  });
});

/** rsync's own daemon, of one module `site`. */
async function rsyncServer(dir: string): Promise<{ url: string; end(): Promise<void> }> {
  mkdirSync(dir);
  const asked = createServer();
  await new Promise<void>((resolve) => asked.listen(0, "127.0.0.1", resolve));
  const { port } = asked.address() as AddressInfo;
  await new Promise((resolve) => asked.close(resolve));
  const config = join(bed.dir, "rsyncd.conf");
  const ids = process.getuid?.() === 0 ? "uid = root\ngid = root\n" : "";
  writeFileSync(
    config,
    `port = ${port}\naddress = 127.0.0.1\nuse chroot = no\n[site]\npath = ${dir}\nread only = no\n${ids}`,
  );
  const server = spawn("rsync", ["--daemon", "--no-detach", `--config=${config}`], { stdio: "ignore" });
  const url = `rsync://127.0.0.1:${port}`;
  while (Bun.spawnSync(["rsync", `${url}/`]).exitCode !== 0) await Bun.sleep(50);
  return {
    url,
    end: async () => {
      server.kill();
      await new Promise((resolve) => server.once("exit", resolve));
    },
  };
}
