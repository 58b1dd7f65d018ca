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
};
const kernel: KernelInfo = {
  id: `sha256:${"cd".repeat(32)}`,
  name: "debian-cloud-6.1",
  present: false,
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
