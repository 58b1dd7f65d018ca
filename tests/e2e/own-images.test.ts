/** Images that a user makes: of a VM that has stopped, and of a file. Small ones, of one program. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { Banger } from "./fixture.ts";

const banger = new Banger();
const [base, saved, filed] = ["own-base", "own-saved", "own-file"];
const sizes = ["--memory", "256M", "--vcpu", "1"];

/** `put FILE TEXT` writes, `get FILE` prints. */
const program = `#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc < 3) return 2;
  FILE *file = fopen(argv[2], strcmp(argv[1], "put") ? "r" : "w");
  if (!file) return 1;
  if (argc > 3) fputs(argv[3], file);
  else for (int c; (c = fgetc(file)) != EOF;) putchar(c);
  fclose(file);
  return 0;
}
`;

beforeAll(async () => {
  await banger.image();
  for (const name of [base, saved, filed]) await banger.run(["image", "delete", name]);
  writeFileSync(join(banger.dir, "note.c"), program);
  const binary = join(banger.dir, "note");
  execFileSync("musl-gcc", ["-static", "-s", "-o", binary, join(banger.dir, "note.c")]);
  const layer = tar([
    { path: "bin/", type: "5" },
    { path: "etc/", type: "5" },
    { path: "bin/note", content: readFileSync(binary), mode: 0o755 },
  ]);
  const config = { config: { Env: ["PATH=/bin"] } };
  writeLayout(join(banger.dir, "layout"), buildImage([layer], "gzip", { config }));
  await banger.ok(["image", "pull", `oci:${join(banger.dir, "layout")}:t`, "--name", base]);
}, 300_000);
afterAll(async () => {
  await banger.run(["vm", "delete", "origin"]);
  for (const name of [base, saved, filed]) await banger.run(["image", "delete", name]);
  await banger.close();
}, 60_000);

test("a stopped VM's disks, both of them, are what VMs of the saved image begin with", async () => {
  const disk = ["--disk-size", "64M"];
  await banger.ok(["vm", "create", "--name", "origin", "--image", base, ...sizes, ...disk]);
  const early = await banger.run(["image", "save", "origin", saved]);
  expect([early.status === 0, early.stderr]).toEqual([false, expect.stringContaining("stop it first")]);
  for (const file of ["/etc/mine", "/root/.mine"])
    await banger.ok(["vm", "exec", "origin", "--", "note", "put", file, `in ${file}`]);
  await banger.ok(["vm", "stop", "origin"]);
  expect(await banger.ok(["image", "save", "origin", saved])).toBe(`${saved}\n`);
  await banger.ok(["vm", "delete", "origin"]);

  const small = await banger.run(["vm", "create", "--image", saved, ...sizes, "--disk-size", "32M"]);
  expect([small.status === 0, small.stderr]).toEqual([false, expect.stringContaining("--disk-size 64M")]);

  const repo = join(banger.dir, "repo");
  mkdirSync(repo);
  writeFileSync(join(repo, "tracked"), "of the repository");
  const author = ["-c", "user.name=t", "-c", "user.email=t@t"];
  for (const words of [
    ["init", "-q"],
    ["add", "."],
    [...author, "commit", "-qm", "t"],
  ])
    execFileSync("git", words, { cwd: repo });
  // Grown, and with a workspace besides what it had.
  const run = (...command: string[]) => [
    ...["vm", "run", "--rm", "--image", saved, ...sizes, "--disk-size", "96M", repo, "--", ...command],
  ];
  expect(await banger.ok(run("note", "get", "/root/.mine"))).toBe("in /root/.mine");
  expect(await banger.ok(run("note", "get", "/etc/mine"))).toBe("in /etc/mine");
  expect(await banger.ok(run("note", "get", "tracked"))).toBe("of the repository");
}, 600_000);

test("a file is used where it is, unless it has changed; promoted, it is needed no more", async () => {
  const rootfs = join(banger.dir, "rootfs.ext4");
  const [{ path = "" } = {}] = JSON.parse(await banger.ok(["image", "list", "--json"])).filter(
    (image: { name: string }) => image.name === base,
  );
  execFileSync("cp", ["--sparse=always", join(path, "rootfs.ext4"), rootfs]);
  await banger.ok(["image", "register", "--name", filed, "--rootfs", rootfs]);
  const run = ["vm", "run", "--rm", "--image", filed, ...sizes, "--disk-size", "64M", "--"];
  const absent = async () => (await banger.run([...run, "note", "get", "/none"])).status;
  expect(await absent()).toBe(1);
  const { atime, mtime } = statSync(rootfs);
  utimesSync(rootfs, atime, new Date(mtime.getTime() - 5000));
  const changed = await banger.run([...run, "note", "get", "/none"]);
  expect(changed.stderr).toContain("it has been written since");
  expect((await banger.run(["image", "promote", filed])).status).not.toBe(0);
  utimesSync(rootfs, atime, mtime);
  await banger.ok(["image", "promote", filed]);
  rmSync(rootfs);
  expect(await absent()).toBe(1);
  const twice = await banger.run(["image", "promote", filed]);
  expect(twice.stderr).toContain("is in the store already");
}, 600_000);
