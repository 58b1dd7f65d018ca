/** banger image pull, from a real registry to a file system that the kernel mounts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import { blob, buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { testRegistry } from "../../src/oci/testing/registry.ts";
import { type TarSpec, tar } from "../../src/oci/testing/tar-writer.ts";
import { end, member } from "../../src/tar/testing/archive.ts";
import { complaints, mounted, mountMissing } from "./ext4-fixture.ts";
import { type OciBed, ociBed } from "./oci-registry.ts";
import { listTree } from "./oci-tree.ts";

/** Layers with a little of everything, and more names than a block of a directory holds. */
const lower: TarSpec[] = [
  directory("./", { mtime: 900_000_000 }),
  directory("etc/"),
  directory("etc/many/", { mode: 0o1777, uid: 1000, gid: 1001 }),
  ...Array.from({ length: 1500 }, (_, n) =>
    file(`etc/many/file-${n}-with-a-rather-long-name`, `content ${n}\n`),
  ),
  directory("usr/"),
  directory("usr/bin/"),
  file("usr/bin/sudo", Buffer.alloc(300_000, 7), { mode: 0o4755 }),
  file("usr/bin/ping", "ping", {
    mode: 0o755,
    pax: { "SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
  }),
  symlink("bin", "usr/bin"),
  hardlink("usr/bin/sudoedit", "usr/bin/sudo"),
  file("caf\xe9", "bytes"),
  { path: "null", type: "3" },
];
const upper: TarSpec[] = [
  file("etc/many/.wh.file-7-with-a-rather-long-name", ""),
  file("bin/through-a-link", "x", { uid: 100_000, gid: 100_000 }),
  hardlink("usr/bin/ping2", "usr/bin/ping"),
  directory("etc/many/", { mode: 0o750, uid: 5, gid: 6 }),
  file("large", Buffer.alloc(5_000_000, "0123456789abcdef")),
];
const image = buildImage([tar(lower), tar(upper)]);

/** A layer with one file of so many MiB, of which nobody needs to have all in memory: members of gzip one after the other. */
function zeros(sizeMiB: number): { bytes: Buffer; diffId: string } {
  const size = (sizeMiB * 1024 ** 2).toString(8).padStart(11, "0");
  const header = member({ name: "zeros", size: Buffer.from(`${size}\0`) });
  const piece = Buffer.alloc(1024 ** 2);
  const hash = createHash("sha256").update(header);
  for (let n = 0; n < sizeMiB; n += 1) hash.update(piece);
  const diffId = `sha256:${hash.update(end).digest("hex")}`;
  const packed = gzipSync(piece);
  const pieces = Array.from({ length: sizeMiB }, () => packed);
  return { bytes: Buffer.concat([gzipSync(header), ...pieces, gzipSync(end)]), diffId };
}

let bed: OciBed;
beforeAll(async () => {
  bed = await ociBed();
  writeLayout(join(bed.dir, "layout"), image);
  const push = (tag: string, ...how: string[]) =>
    bed.skopeo(
      "copy",
      "--dest-tls-verify=false",
      ...how,
      "oci:layout:t",
      `docker://${bed.registry}/team/tools:${tag}`,
    );
  push("1");
  push("zstd", "--dest-compress-format", "zstd", "--format", "oci");
  push("docker", "--format", "v2s2");
});
afterAll(() => bed.end());

const shown = (name: string) => JSON.parse(bed.banger("image", "show", name).out);
const blobsAsked = () =>
  bed
    .log()
    .split("\n")
    .filter((line) => /"GET \/v2\/[^"]*\/blobs\//.test(line)).length;

function pulls(...args: string[]): string {
  const { status, out, err } = bed.banger("image", "pull", ...args);
  expect(status, err).toBe(0);
  return out.trim();
}

function deletes(...names: string[]): void {
  for (const name of names) expect(bed.banger("image", "delete", name).status).toBe(0);
}

const listImage = (rootfs: string) =>
  mounted(rootfs, (root) => listTree(root).filter((line) => !line.startsWith("/lost+found ")));

describe("image pull", () => {
  test("imports from a registry, and image show tells what it is", () => {
    const { status, out, err } = bed.banger("image", "pull", `${bed.registry}/team/tools:1`);
    expect(status, err).toBe(0);
    expect(out).toBe("tools-1\n");
    expect(err).toContain("1 devices and FIFOs");
    expect(err).toContain("its entrypoint is not run");
    expect(shown("tools-1")).toMatchObject({
      ...{ name: "tools-1", kind: "oci", present: true, outdated: false, kernel: "debian-cloud-6.1" },
      oci: {
        reference: `${bed.registry}/team/tools:1`,
        digest: image.manifest.digest,
        env: ["A=b"],
        cmd: ["/bin/sh"],
      },
    });
    expect(bed.banger("image", "list", "-q").out).toBe("tools-1\n");
  });

  test("is done at once for what is there already, as long as its reference means the same", () => {
    const before = blobsAsked();
    expect(pulls(`${bed.registry}/team/tools:1`)).toBe("tools-1");
    expect(blobsAsked()).toBe(before);

    const moved = join(bed.dir, "moved");
    const put = (layer: TarSpec[]) => {
      rmSync(moved, { recursive: true, force: true });
      writeLayout(moved, buildImage([tar(layer)]));
    };
    put([file("a", "old")]);
    expect(pulls(`oci:${moved}:t`)).toBe("moved-t");
    put([file("a", "new")]);
    const { status, err } = bed.banger("image", "pull", `oci:${moved}:t`);
    expect(status).toBe(1);
    expect(err).toContain("moved:t is another image now than moved-t, which was pulled by it");
    expect(err).toContain("banger image delete moved-t, and pull again");
    const { status: run, err: said } = bed.banger("vm", "create", "--image", `oci:${moved}:t`);
    expect([run, said]).toEqual([1, expect.stringContaining("is another image now than moved-t")]);
    deletes("moved-t");
  });

  test("takes no name twice, and says how to go on", () => {
    const { status, err } = bed.banger(
      ...["image", "pull", `${bed.registry}/team/tools:zstd`, "--name", "tools-1"],
    );
    expect(status).toBe(1);
    expect(err).toContain("there is an image tools-1 already");
    expect(err).toContain("another name, or remove that one: banger image delete tools-1");
    const own = bed.banger("image", "pull", `${bed.registry}/team/tools:1`, "--name", "debian-bookworm");
    expect(own.err).toContain("debian-bookworm is the name of an image of banger's own");
    const recipe = bed.banger("image", "pull", "debian-bookworm", "--size", "2G");
    expect(recipe.err).toContain("which says its name, size and kernel");
  });

  test("does not ask a registry for what the store has by that very name", () => {
    expect(pulls(`${bed.registry}/team/tools:1`, "--name", "mine")).toBe("mine");
    const { status, err } = bed.banger("image", "pull", "mine");
    expect(status).toBe(1);
    expect(err).toContain("there is an image mine already");
    expect(bed.banger("image", "delete", "mine").status).toBe(0);
  });

  test("moves no blob twice", () => {
    const before = blobsAsked();
    expect(before).toBeGreaterThanOrEqual(3);
    expect(
      pulls(`${bed.registry}/team/tools@${image.manifest.digest}`, "--name", "again", "--size", "2G"),
    ).toBe("again");
    expect(blobsAsked()).toBe(before);
    expect(Bun.file(join(shown("again").path, "rootfs.ext4")).size).toBe(2 * 1024 ** 3);
    expect(Bun.file(join(shown("tools-1").path, "rootfs.ext4")).size).toBe(1024 ** 3);
  });

  test.if(mountMissing === undefined)(
    "makes the file system that umoci unpacks, of every form of the image",
    () => {
      const run = Bun.spawnSync([
        "umoci",
        "unpack",
        "--image",
        `${bed.dir}/layout:t`,
        join(bed.dir, "bundle"),
      ]);
      expect(run.exitCode, run.stderr.toString()).toBe(0);
      const theirs = listTree(join(bed.dir, "bundle/rootfs"));
      expect(theirs.length).toBeGreaterThan(1500);
      bed.skopeo("copy", "oci:layout:t", "docker-archive:saved.tar:team/tools:saved");
      bed.skopeo("copy", "oci:layout:t", "oci-archive:layout.tar:t");
      const isTheirs = (name: string) => {
        const rootfs = join(shown(name).path, "rootfs.ext4");
        expect(complaints(rootfs)).toBe("");
        expect(listImage(rootfs)).toEqual(theirs);
      };
      isTheirs("tools-1");
      // Made of the first one's layers.
      isTheirs("again");
      // An image of the same layers would spare the others theirs.
      deletes("tools-1", "again");
      const tools = `${bed.registry}/team/tools`;
      for (const from of [
        `${tools}:zstd`,
        `${tools}:docker`,
        "docker-archive:saved.tar",
        "oci-archive:layout.tar:t",
      ]) {
        pulls(from, "--name", "form");
        isTheirs("form");
        deletes("form");
      }
      pulls(`${tools}:1`);
      pulls(`${tools}:1`, "--name", "again");
    },
  );

  test.if(mountMissing === undefined)(
    "takes layers that another image has from there, hidden files too",
    () => {
      const top: TarSpec[] = [
        file("etc/many/.wh.file-9-with-a-rather-long-name", ""),
        file("usr/bin/new", "new"),
        hardlink("usr/bin/sudoedit2", "usr/bin/sudo"),
      ];
      // The first layer twice: what it brings back was hidden by the second in the other image.
      const other = buildImage([tar(lower), tar(top), tar(lower), tar(upper)]);
      writeLayout(join(bed.dir, "other"), other);
      bed.skopeo(
        "copy",
        "--dest-tls-verify=false",
        "oci:other:t",
        `docker://${bed.registry}/team/tools:other`,
      );
      const before = blobsAsked();
      pulls(`${bed.registry}/team/tools:other`);
      // Its configuration and its one new layer.
      expect(blobsAsked()).toBe(before + 2);
      const run = Bun.spawnSync([
        "umoci",
        "unpack",
        "--image",
        `${bed.dir}/other:t`,
        join(bed.dir, "other-bundle"),
      ]);
      expect(run.exitCode, run.stderr.toString()).toBe(0);
      const theirs = listTree(join(bed.dir, "other-bundle/rootfs"));
      const rootfs = join(shown("tools-other").path, "rootfs.ext4");
      expect(complaints(rootfs)).toBe("");
      expect(listImage(rootfs)).toEqual(theirs);
      // And it is as good a source, when the first ones are gone, for the lower layers' files that it hides itself.
      deletes("tools-1", "again");
      const asked = blobsAsked();
      pulls(`${bed.registry}/team/tools:1`);
      pulls(`${bed.registry}/team/tools:1`, "--name", "again");
      expect(blobsAsked()).toBe(asked);
      expect(complaints(join(shown("again").path, "rootfs.ext4"))).toBe("");
      expect(listImage(join(shown("again").path, "rootfs.ext4"))).toEqual(
        listTree(join(bed.dir, "bundle/rootfs")),
      );
      // A root that was written to is nobody's source any more.
      deletes("tools-1", "again");
      utimesSync(rootfs, new Date(), new Date());
      pulls(`${bed.registry}/team/tools:1`);
      expect(blobsAsked()).toBe(asked + 2);
      pulls(`${bed.registry}/team/tools:1`, "--name", "again");
      deletes("tools-other");
    },
  );

  test("takes no more memory for a large image than for a small one", () => {
    const { bytes, diffId } = zeros(1000);
    const layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", bytes);
    const config = { rootfs: { type: "layers", diff_ids: [diffId] } };
    writeLayout(join(bed.dir, "zeros"), buildImage([Buffer.alloc(0)], "gzip", { config, layers: [layer] }));
    expect(bed.banger("daemon", "stop").status).toBe(0);
    expect(pulls("oci:zeros:t")).toBe("zeros-t");
    const { pid } = JSON.parse(bed.banger("daemon", "status", "--json").out);
    const peakKiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    expect(peakKiB).toBeLessThan(200 * 1024);
  });

  test("that was killed goes on from where it was, and leaves nothing half made", async () => {
    const registry = await testRegistry();
    try {
      const noise = buildImage([tar([file("noise", randomBytes(2_000_000))])]);
      registry.put(noise);
      const large = noise.layers[0]?.digest ?? "";
      const hanging = Promise.withResolvers<void>();
      registry.intercept = (request, response) => {
        if (request.url?.endsWith(large) !== true) return false;
        const bytes = noise.blobs.get(large) ?? Buffer.alloc(0);
        response.writeHead(200, { "content-length": bytes.length });
        response.write(bytes.subarray(0, 1_000_000), () => hanging.resolve());
        return true;
      };
      const first = bed.start("image", "pull", `${registry.host}/image:t`, "--name", "noise");
      await hanging.promise;
      await bed.until(() => bed.partialBytes() >= 1_000_000);
      process.kill(JSON.parse(bed.banger("daemon", "status", "--json").out).pid, "SIGKILL");
      expect(await first).not.toBe(0);
      registry.intercept = () => false;
      expect(await bed.start("image", "pull", `${registry.host}/image:t`, "--name", "noise")).toBe(0);
      expect(registry.requests.at(-1)).toMatch(/bytes=1000000-$/);
      expect(bed.partialBytes()).toBe(0);
      expect(
        readdirSync(join(bed.dir, "state/banger/images")).filter((name) => name.startsWith(".")),
      ).toEqual([]);
    } finally {
      registry.close();
    }
  });

  test("refuses what is not there, and a size that it does not fit into", () => {
    const gone = bed.banger("image", "pull", `${bed.registry}/team/tools:nosuch`);
    expect(gone.err).toContain(`has no ${bed.registry}/team/tools:nosuch`);
    const small = bed.banger(
      "image",
      "pull",
      `${bed.registry}/team/tools:1`,
      "--name",
      "small",
      "--size",
      "64M",
    );
    expect(small.err).toMatch(/do not fit into 64M[\s\S]*--size \d+M/);
    expect(bed.banger("image", "pull", "oci:nosuch:t").err).toContain(`${bed.dir}/nosuch is no image layout`);
    const kernel = bed.banger(
      "image",
      "pull",
      `${bed.registry}/team/tools:1`,
      "--name",
      "small",
      "--kernel-ref",
      "nosuch",
    );
    expect(kernel.err).toContain('there is no kernel "nosuch"');
    expect(bed.banger("image", "pull", "Not A Reference").err).toContain("is not an image reference");
    expect(bed.banger("image", "list", "-q").out).not.toContain("small");
  });

  test("refuses owners and attributes that no file system keeps", () => {
    const odd: Record<string, Record<string, string>> = {
      owner: { uid: "4294967295" },
      attribute: { "SCHILY.xattr.user.large": "x".repeat(5000) },
      list: { "SCHILY.xattr.system.posix_acl_access": "nonsense" },
    };
    for (const [name, pax] of Object.entries(odd)) {
      writeLayout(join(bed.dir, name), buildImage([tar([{ path: "a", pax }])]));
      expect(bed.banger("image", "pull", `oci:${name}:t`).err).toContain(
        "the image has what no file system keeps",
      );
    }
  });

  test("keeps of what it has unpacked only configurations, until they are pruned", () => {
    const blobs = join(bed.dir, "cache/banger/oci/blobs/sha256");
    const layers = image.layers.map(({ digest }) => digest.slice(7));
    expect(readdirSync(blobs).filter((name) => layers.includes(name))).toEqual([]);
    const line = /^would free [0-9.]+[KM] across (\d+) blob\(s\) in (.*)\n$/.exec(
      bed.banger("image", "cache", "prune", "--dry-run").out,
    );
    expect(Number(line?.[1])).toBeGreaterThanOrEqual(3);
    expect(line?.[2]).toBe(join(bed.dir, "cache/banger/oci/blobs"));
    expect(bed.banger("image", "cache", "prune").out).toStartWith("freed ");
    expect(bed.banger("image", "cache", "prune").out).toStartWith("freed 0B across 0 blob(s) in ");
    expect(bed.banger("image", "delete", "again").status).toBe(0);
    expect(pulls(`${bed.registry}/team/tools:1`, "--name", "again")).toBe("again");
  });
});
