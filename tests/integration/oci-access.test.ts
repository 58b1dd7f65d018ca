/** Who asks a real registry, and who imports: with passwords as docker keeps them, and as a user without any rights. */
import { afterEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { directory, file, symlink } from "../../src/oci/testing/flatten.ts";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { type TarSpec, tar } from "../../src/oci/testing/tar-writer.ts";
import { complaints, mounted, mountMissing } from "./ext4-fixture.ts";
import { type OciBed, ociBed } from "./oci-registry.ts";
import { listTree } from "./oci-tree.ts";

const isRoot = process.getuid?.() === 0;
const image = buildImage([tar([file("a", "private")])]);
let bed: OciBed | undefined;
afterEach(async () => {
  await bed?.end();
  bed = undefined;
});

describe("a registry that lets in only whom it knows", () => {
  const withPasswords = async () => {
    const made = await ociBed({ users: { alice: "s3cret", bob: "other" } });
    bed = made;
    writeLayout(join(made.dir, "layout"), image);
    const to = `docker://${made.registry}/team/private:1`;
    made.skopeo("copy", "--dest-tls-verify=false", "--dest-creds=alice:s3cret", "oci:layout:t", to);
    mkdirSync(join(made.dir, ".docker"));
    const configure = (config: object) =>
      writeFileSync(join(made.dir, ".docker/config.json"), JSON.stringify(config));
    const pull = () => made.banger("image", "pull", `${made.registry}/team/private:1`);
    return { ...made, configure, pull };
  };
  const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });

  test("is told name and password of docker's config.json, and no others do", async () => {
    const { configure, pull, registry, banger } = await withPasswords();
    expect(pull().err).toContain(registry);
    configure({ auths: { [registry]: auth("alice:wrong") } });
    const wrong = pull();
    expect(wrong.status).toBe(1);
    expect(wrong.err).toContain(registry);
    configure({ auths: { "registry.invalid": auth("alice:s3cret") } });
    expect(pull().status).toBe(1);
    expect(banger("image", "list", "-q").out).toBe("");
    configure({ auths: { [registry]: auth("alice:s3cret") } });
    const { status, err } = pull();
    expect(status, err).toBe(0);
    expect(banger("image", "list", "-q").out).toBe("private-1\n");
  });

  test("is told what a credential helper says, which is asked for this registry", async () => {
    const { configure, pull, registry, dir } = await withPasswords();
    mkdirSync(join(dir, "bin"));
    const helper = join(dir, "bin/docker-credential-test");
    const answer = JSON.stringify({ ServerURL: registry, Username: "bob", Secret: "other" });
    writeFileSync(helper, `#!/bin/sh\necho "$1" > ${dir}/verb\ncat > ${dir}/asked\necho '${answer}'\n`);
    chmodSync(helper, 0o755);
    configure({ credHelpers: { [registry]: "test" } });
    const { status, err } = pull();
    expect(status, err).toBe(0);
    expect(readFileSync(join(dir, "verb"), "utf8")).toBe("get\n");
    expect(readFileSync(join(dir, "asked"), "utf8").trim()).toBe(registry);
  });
});

test.if(isRoot && mountMissing === undefined)(
  "a user without any rights imports owners, set-id bits and capabilities as they are",
  async () => {
    const made = await ociBed({ unprivileged: true });
    bed = made;
    const layer: TarSpec[] = [
      directory("d/", { mode: 0o1777, uid: 1000, gid: 1001 }),
      file("d/sudo", "sudo", { mode: 0o4755 }),
      file("d/theirs", "theirs", { mode: 0o400, uid: 100_000, gid: 100_000 }),
      file("d/ping", "ping", {
        mode: 0o755,
        pax: { "SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
      }),
      symlink("s", "d/sudo"),
    ];
    writeLayout(join(made.dir, "layout"), buildImage([tar(layer)]));
    const { status, err } = made.banger("image", "pull", "oci:layout:t", "--name", "mine");
    expect(status, err).toBe(0);
    const { path } = JSON.parse(made.banger("image", "show", "mine").out);
    const rootfs = join(path, "rootfs.ext4");
    expect(statSync(rootfs).uid).toBe(65534);
    expect(complaints(rootfs)).toBe("");
    const bundle = join(made.dir, "bundle");
    const run = Bun.spawnSync(["umoci", "unpack", "--image", `${made.dir}/layout:t`, bundle]);
    expect(run.exitCode, run.stderr.toString()).toBe(0);
    expect(
      mounted(rootfs, (root) => listTree(root).filter((line) => !line.startsWith("/lost+found "))),
    ).toEqual(listTree(join(bundle, "rootfs")));
  },
);

test.if(mountMissing === undefined).each([
  ["file", [file("lost+found", "x".repeat(5000)), file("a")], ["a"]],
  ["symlink", [symlink("lost+found", "a"), file("a")], ["a"]],
  [
    "file with other names",
    [file("lost+found", "content"), { path: "b", type: "1", link: "lost+found" }],
    ["b"],
  ],
] as [string, TarSpec[], string[]][])(
  "a %s that has the name of the file system's own lost+found is left out, and it is said",
  async (_, layer, left) => {
    const made = await ociBed();
    bed = made;
    writeLayout(join(made.dir, "layout"), buildImage([tar(layer)]));
    const { status, err } = made.banger("image", "pull", "oci:layout:t", "--name", "lost");
    expect(status, err).toBe(0);
    expect(err).toContain("lost+found of lost was left out, as it is no directory");
    const rootfs = join(JSON.parse(made.banger("image", "show", "lost").out).path, "rootfs.ext4");
    expect(complaints(rootfs)).toBe("");
    const names = mounted(rootfs, (root) => {
      expect(statSync(join(root, "lost+found")).isDirectory()).toBe(true);
      if (left.includes("b")) expect(readFileSync(join(root, "b"), "utf8")).toBe("content");
      return listTree(root).map((line) => line.split(" ")[0]);
    });
    expect(names.filter((name) => name !== "/" && name !== "/lost+found").sort()).toEqual(
      left.map((name) => `/${name}`),
    );
    expect(existsSync(join(made.dir, "lost+found"))).toBe(false);
  },
);
