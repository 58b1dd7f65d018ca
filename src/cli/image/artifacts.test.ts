import { expect, test } from "bun:test";
import type { ImageInfo, KernelInfo } from "../../rpc/contract.ts";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

const image: ImageInfo = {
  id: `sha256:${"ab".repeat(32)}`,
  name: "debian-bookworm",
  kind: "recipe",
  present: true,
  outdated: false,
  description: "Debian 12",
  kernel: "debian-cloud-6.1",
  sizeBytes: 612 * 1024 * 1024,
  createdAt: "2026-03-03T12:00:00Z",
  path: "/state/images/ab",
  oci: null,
};
const kernel: KernelInfo = {
  id: `sha256:${"cd".repeat(32)}`,
  name: "debian-cloud-6.1",
  present: false,
  imported: false,
  version: "6.1",
  description: "Debian's cloud kernel",
  sizeBytes: null,
  createdAt: null,
  path: null,
};

test("images are listed as a table, as names or as JSON", async () => {
  const daemon = new FakeDaemon({ "image.list": () => [image] });
  expect((await banger(["image", "list"], { daemon })).out).toMatchInlineSnapshot(`
    "NAME             ID            STATE    KERNEL            SIZE  CREATED    DESCRIPTION
    debian-bookworm  abababababab  present  debian-cloud-6.1  612M  1 day ago  Debian 12
    "
  `);
  expect((await banger(["image", "list", "-q"], { daemon })).out).toBe("debian-bookworm\n");
  expect(JSON.parse((await banger(["image", "ls", "--json"], { daemon })).out)).toEqual([image]);
});

test("on a terminal a list keeps to its width: the description is cut, which says least", async () => {
  const description = "Debian 12 with systemd, sshd, git, a C compiler and the usual tools";
  const daemon = new FakeDaemon({ "image.list": () => [{ ...image, description }] });
  expect((await banger(["image", "list"], { daemon, tty: { stdout: true } })).out).toMatchInlineSnapshot(`
    "NAME             STATE    KERNEL            SIZE  DESCRIPTION
    debian-bookworm  present  debian-cloud-6.1  612M  Debian 12 with systemd, ssh...
    "
  `);
  expect((await banger(["image", "list"], { daemon })).out).toContain(description);
});

test("kernels that could be had are listed when asked", async () => {
  const daemon = new FakeDaemon({ "kernel.list": ({ available }) => (available ? [kernel] : []) });
  expect((await banger(["kernel", "list", "--available"], { daemon })).out).toMatchInlineSnapshot(`
    "NAME              ID  STATE      VERSION  SIZE  CREATED  DESCRIPTION
    debian-cloud-6.1  -   available  6.1      -     -        Debian's cloud kernel
    "
  `);
  expect((await banger(["kernel", "list"], { daemon })).out).toBe(
    "NAME  ID  STATE  VERSION  SIZE  CREATED  DESCRIPTION\n",
  );
});

test("show, pull, delete and rm ask for the one that is named", async () => {
  const daemon = new FakeDaemon({
    "image.show": () => ({ ...image, templates: { count: 1, sizeBytes: 1 << 20 } }),
    "image.pull": () => image,
    "image.delete": () => ({}),
    "kernel.show": () => kernel,
    "kernel.pull": () => kernel,
    "kernel.remove": () => ({}),
  });
  const call = async (line: string) => (await banger(line.split(" "), { daemon })).out;
  expect(JSON.parse(await call("image show x"))).toMatchObject({ ...image, templates: { count: 1 } });
  expect(JSON.parse(await call("kernel show x"))).toEqual(kernel);
  expect(await call("image pull x")).toBe("debian-bookworm\n");
  expect(await call("kernel pull x --force")).toBe("debian-cloud-6.1\n");
  expect(await call("image delete x")).toBe("x\n");
  expect(await call("kernel rm x")).toBe("x\n");
  expect(daemon.calls.map(({ method, params }) => [method, params])).toEqual([
    ["image.show", { ref: "x" }],
    ["kernel.show", { ref: "x" }],
    ["image.pull", { ref: "x" }],
    ["kernel.pull", { ref: "x", force: true }],
    ["image.delete", { ref: "x" }],
    ["kernel.remove", { ref: "x" }],
  ]);
});

const imported: ImageInfo = {
  ...{ ...image, name: "alpine-3", kind: "oci" },
  oci: {
    ...{ reference: "docker.io/library/alpine:3", digest: `sha256:${"ef".repeat(32)}` },
    ...{
      env: [],
      entrypoint: [],
      cmd: ["/bin/sh"],
      workingDir: "",
      user: "",
      caveat: "as its publisher made it",
    },
  },
};

test("a container image is asked for as it was written, but for paths, and its caveat is told", async () => {
  const daemon = new FakeDaemon({ "image.pull": () => imported });
  const pull = async (...words: string[]) => await banger(["image", "pull", ...words], { daemon });
  const { out, err } = await pull(
    "alpine:3",
    "--name",
    "alpine-3",
    "--size",
    "2G",
    "--kernel-ref",
    "k",
    "--insecure-http",
  );
  expect(out).toBe("alpine-3\n");
  expect(err).toContain("note: as its publisher made it");
  await pull("oci:layout/x:tag");
  await pull("docker-archive:/saved.tar:a/b:c");
  const cwd = process.cwd();
  const asked = daemon.calls.map(({ params }) => params as { ref: string });
  expect(asked[0]).toEqual({
    ...{ ref: "alpine:3", name: "alpine-3", sizeBytes: 2 * 1024 ** 3, kernel: "k", insecureHttp: true },
  } as object as { ref: string });
  expect(asked.slice(1).map(({ ref }) => ref.replace(cwd, ""))).toEqual([
    expect.stringMatching(/^oci:\/.*layout\/x:tag$/),
    "docker-archive:/saved.tar:a/b:c",
  ]);
  expect((await pull("alpine", "--name", "Not-A-Name")).err).toContain("must be a-z and 0-9");
});

test("a file that is here is not looked for at a registry", async () => {
  const daemon = new FakeDaemon({ "image.pull": () => imported });
  const path = import.meta.path;
  const { status, err } = await banger(["image", "pull", path], { daemon });
  expect([status, daemon.methods]).toEqual([1, []]);
  expect(err).toContain(`hint: say what it is: banger image pull docker-archive:${path}`);
});

test("the cache of blobs is pruned, or it is said what that would free", async () => {
  const daemon = new FakeDaemon({
    "image.prune_cache": ({ dryRun }) => ({
      bytes: 5 * 1024 ** 2,
      blobs: dryRun ? 4 : 3,
      directory: "/c/oci/blobs",
    }),
  });
  const prune = async (...words: string[]) =>
    (await banger(["image", "cache", "prune", ...words], { daemon })).out;
  expect(await prune("--dry-run")).toBe("would free 5M across 4 blob(s) in /c/oci/blobs\n");
  expect(await prune()).toBe("freed 5M across 3 blob(s) in /c/oci/blobs\n");
});
