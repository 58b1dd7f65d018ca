/** A container image with one program in it, and nothing else: no init, no shell, no directories of a system. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { Banger } from "./fixture.ts";
import { sayConfig, sayLayer } from "./say.ts";

const banger = new Banger();
const name = "one-program";
const small = ["--image", name, "--memory", "256M", "--vcpu", "1", "--disk-size", "64M"];

beforeAll(async () => {
  await banger.image();
  const config = { ...sayConfig, Entrypoint: ["/app/never"] };
  const image = buildImage([sayLayer(banger.dir)], "gzip", { config: { config } });
  writeLayout(join(banger.dir, "layout"), image);
  await banger.run(["image", "delete", name]);
  await banger.ok(["image", "pull", `oci:${join(banger.dir, "layout")}:t`, "--name", name]);
}, 300_000);
afterAll(async () => {
  await banger.run(["image", "delete", name]);
  await banger.close();
}, 60_000);

test("boots, and its command has its environment and working directory, and gives its status", async () => {
  const { status, stdout } = await banger.run(["vm", "run", "--rm", ...small, "--", "say", "42"]);
  expect([status, stdout]).toEqual([42, "hello there /app 42\n"]);
}, 300_000);

test("takes a repository along", async () => {
  const repo = join(banger.dir, "repo");
  mkdirSync(repo);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", ...args], { cwd: repo });
  git("init", "-q");
  writeFileSync(join(repo, "tracked"), "of the repository\n");
  git("add", ".");
  git("commit", "-qm", "t");
  const { status, stdout } = await banger.run([
    "vm",
    "run",
    "--rm",
    ...small,
    repo,
    "--",
    "say",
    "0",
    "tracked",
  ]);
  expect([status, stdout]).toEqual([0, "hello there /root/repo 0\nof the repository\n"]);
}, 300_000);

test("stops in order, and keeps its disks", async () => {
  await banger.ok(["vm", "create", "--name", "kept", ...small]);
  const began = Date.now();
  await banger.ok(["vm", "stop", "kept"]);
  // Else it would have been given 30 s.
  expect(Date.now() - began).toBeLessThan(25_000);
  await banger.ok(["vm", "start", "kept"]);
  expect(await banger.ok(["vm", "exec", "kept", "--", "say", "0"])).toBe("hello there /app 0\n");
  await banger.ok(["vm", "delete", "kept"]);
}, 300_000);

test("boots with banger's own init where busybox's has nothing to start", async () => {
  // Of the layout and its tag.
  const idle = "idle-t";
  const init = tar([
    { path: "sbin/", type: "5" },
    // As Alpine has it. It is no program here: started, it would be the kernel's panic.
    { path: "sbin/init", type: "2", link: "/app/busybox" },
    { path: "app/busybox", content: "no program", mode: 0o755 },
  ]);
  const layout = join(banger.dir, "idle");
  writeLayout(layout, buildImage([sayLayer(banger.dir), init], "gzip", { config: { config: sayConfig } }));
  await banger.run(["image", "delete", idle]);
  const sizes = ["--memory", "256M", "--vcpu", "1", "--disk-size", "64M"];
  // By its reference, it is pulled for its first VM.
  const run = ["vm", "run", "--rm", "--image", `oci:${layout}:t`, ...sizes, "--", "say", "5"];
  expect(await banger.run(run)).toMatchObject({ status: 5, stdout: "hello there /app 5\n" });
  await banger.ok(["image", "delete", idle]);
}, 300_000);
