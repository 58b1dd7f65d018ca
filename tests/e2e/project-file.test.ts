/** What a repository asks for: banger.toml, and tools by mise, which come from the repository itself: no network is needed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Banger } from "./fixture.ts";

const banger = new Banger();
const repo = join(banger.dir, "project");
const log = "/root/.cache/banger/vm-run-tooling-project.log";

const files: Record<string, string> = {
  "banger.toml": `vcpu = 1
memory = "768M"
nat = true
post_create = ["node > made", "echo $MODE >> made"]
[env]
MODE = "of the file"
`,
  "mise.toml": '[tools]\nnode = "path:./tools/node"\n[env]\nFROM_MISE = "{{ 40 + 2 }}"\n',
  "tools/node/bin/node": "#!/bin/sh\necho the repository\\'s node\n",
};

beforeAll(async () => {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(repo, path)), { recursive: true });
    writeFileSync(join(repo, path), content);
  }
  chmodSync(join(repo, "tools/node/bin/node"), 0o755);
  const git = (...words: string[]) =>
    execFileSync("git", ["-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.com", ...words]);
  git("init", "-q", "-b", "main");
  git("add", ".");
  git("commit", "-q", "-m", "first");
  await banger.image();
});
afterAll(() => banger.close());

test("a detached run makes the VM that the file asks for, with tools and commands done, and prints its name", async () => {
  const { status, stdout, stderr } = await banger.run(["vm", "run", "-d", "--name", "project", repo]);
  expect([status, stdout]).toEqual([0, "project\n"]);
  expect(stderr).toContain("spec: 1 vcpu | 768 MiB");
  expect(stderr).toContain("banger.toml asks for the network, which is yours to give: --nat");
  expect(stderr).toContain(`log in the VM: ${log}`);
  const [vm] = JSON.parse(await banger.ok(["vm", "list", "--json"]));
  expect(vm.spec).toMatchObject({ vcpu: 1, memoryMiB: 768, nat: false });
});

test("commands in its workspace have the tools and the environment that were asked for, others the guest's own", async () => {
  const exec = async (...words: string[]) => banger.ok(["vm", "exec", "project", ...words]);
  expect(await exec("--", "cat", "made")).toBe("the repository's node\nof the file\n");
  expect(await exec("--", "node")).toBe("the repository's node\n");
  expect(await exec("--", "sh", "-c", "echo $MODE, $FROM_MISE")).toBe("of the file, 42\n");
  expect(await exec("--guest-path", "/", "--", "sh", "-c", "command -v node; echo $MODE")).toBe(
    "/usr/bin/node\nof the file\n",
  );
  expect(await exec("--", "cat", log)).toContain("all tools are installed");
  expect((await banger.run(["vm", "exec", "project", "--", "no-such-program"])).status).toBe(127);
  expect((await banger.run(["vm", "exec", "project", "--", "sh", "-c", "exit 42"])).status).toBe(42);
});

test("--no-bootstrap leaves mise alone, and --no-project the file", async () => {
  const words = ["vm", "run", "--rm", "--memory", "1G", "--no-bootstrap", "--no-project", repo];
  const { status, stdout, stderr } = await banger.run([
    ...words,
    "--",
    "sh",
    "-c",
    "command -v node; ls; echo $MODE.",
  ]);
  expect([status, stdout]).toEqual([0, "/usr/bin/node\nbanger.toml\nmise.toml\ntools\n.\n"]);
  expect(stderr).not.toContain("banger.toml");
});

test("for a shell the tools are installed beside it, and the log is told", async () => {
  const wait = `until grep -q 'tools are installed' ${log}; do sleep 0.5; done; mise trust --show; exit 3`;
  const words = ["vm", "run", "--rm", "--memory", "1G", "--no-project", repo];
  const { status, stdout, stderr } = await banger.run(words, { input: `${wait}\n` });
  expect(status).toBe(0);
  expect(stderr).toContain(
    `mise installs them in the background; without --nat nothing can be fetched; log in the VM: ${log}`,
  );
  expect(stdout).toContain("repo: trusted");
});
