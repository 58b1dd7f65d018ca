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

test("runs commands as the image's user, and as another one where that is asked for", async () => {
  const users = tar([
    { path: "etc/", type: "5" },
    {
      path: "etc/passwd",
      content: "root:x:0:0:root:/root:/bin/sh\napp:x:1234:2345::/home/app:/bin/sh\nbin:x:2:2::/:/bin/sh\n",
    },
    { path: "etc/group", content: "app:x:2345:\naudio:x:29:bin,app\nvideo:x:44:app\n" },
    { path: "closed/", type: "5", mode: 0o700 },
  ]);
  const layout = join(banger.dir, "users");
  const config = { ...sayConfig, User: "app" };
  writeLayout(layout, buildImage([sayLayer(banger.dir), users], "gzip", { config: { config } }));
  const image = "users-t";
  await banger.run(["image", "delete", image]);
  await banger.run(["vm", "delete", "as-app"]);
  await banger.ok(["image", "pull", `oci:${layout}:t`]);
  expect(JSON.parse(await banger.ok(["image", "show", image, "--json"])).oci.user).toBe("app");
  const sizes = ["--memory", "256M", "--vcpu", "1", "--disk-size", "64M", "--image", image];
  const app = "1234:2345 29 44 home /home/app user app in /app\n";
  const run = ["vm", "run", "--name", "as-app", ...sizes];
  expect(await banger.ok([...run, "--", "say", "who"])).toBe(app);
  const who = (...flags: string[]) => banger.run(["vm", "exec", "as-app", ...flags, "--", "say", "who"]);
  expect(await who()).toMatchObject({ status: 0, stdout: app });
  expect((await who("--user", "root")).stdout).toBe("0:0 home /root user root in /app\n");
  expect((await who("--user", "bin")).stdout).toBe("2:2 29 home / user bin in /app\n");
  expect((await who("--user", "app:audio")).stdout).toBe("1234:29 home /home/app user app in /app\n");
  expect((await who("--user", "777:888")).stdout).toBe("777:888 home / user - in /app\n");
  const nobody = await who("--user", "nobody");
  expect([nobody.status, nobody.stdout]).toEqual([126, ""]);
  expect(nobody.stderr).toContain("the VM's /etc/passwd has no user nobody\n");
  expect(nobody.stderr).toContain("--user root");
  const closed = await who("--guest-path", "/closed");
  expect(closed.status).toBe(126);
  expect(closed.stderr).toContain("/closed: Permission denied");
  // What is saved of it is still of that image.
  await banger.ok(["vm", "stop", "as-app"]);
  await banger.run(["image", "delete", "users-saved"]);
  await banger.ok(["image", "save", "as-app", "users-saved"]);
  await banger.ok(["vm", "delete", "as-app"]);
  expect(JSON.parse(await banger.ok(["image", "show", "users-saved", "--json"])).oci.user).toBe("app");
  const again = ["vm", "run", "--rm", "--image", "users-saved", ...sizes.slice(0, 4)];
  expect((await banger.run([...again, "--", "say", "who"])).stdout).toBe(app);
  // A workspace's files are root's.
  const repo = join(banger.dir, "repo");
  const inRepo = await banger.run(["vm", "run", "--rm", ...sizes, repo, "--", "say", "who"]);
  expect(inRepo.stdout).toBe("0:0 home /root user root in /root/repo\n");
  const asked = await banger.run(["vm", "run", "--rm", ...sizes, "--user", "app", repo, "--", "say", "who"]);
  expect(asked.stdout).toBe(app.replace("/app\n", "/root/repo\n"));
  await banger.ok(["image", "delete", "users-saved"]);
  await banger.ok(["image", "delete", image]);
}, 600_000);
