/** A repository in a VM of an installed host, as its owner works with it: files, ways home, ports; and Ctrl-C in their middle. */
import { beforeAll, expect, test } from "bun:test";
import { host, quote } from "./host.ts";
import { hasLines, livingBed } from "./living-bed.ts";
import { settledVms, tracesOf } from "./traces.ts";

const machine = await host();
const log = "/root/.cache/banger/vm-run-tooling-repo.log";

const { run, ok, exec, interrupted } = livingBed(machine, "project");
const inRepo = (line: string) => ok(`cd repo && ${line}`);

const files: Record<string, string> = {
  settings: "mine\n",
  "tools/run": "#!/bin/sh\necho tool\n",
  "repo/banger.toml": `vcpu = 1
memory = "768M"
nat = true
post_create = ["node > made", "echo $MODE >> made"]
[env]
MODE = "of the file"
`,
  "repo/mise.toml": '[tools]\nnode = "path:./tools/node"\n[env]\nFROM_MISE = "{{ 40 + 2 }}"\n',
  "repo/tools/node/bin/node": "#!/bin/sh\necho the repository\\'s node\n",
  "repo/.gitignore": "made\n",
  "repo/code.c": Array.from({ length: 40 }, (_, n) => `line ${n}\n`).join(""),
};
const fileSync = [
  ["~/settings", "~/.settings"],
  ["~/tools", "/root/.config/tools"],
  ["~/not-there", "~/not-there"],
]
  .map(([from, to]) => `[[file_sync]]\nhost = "${from}"\nguest = "${to}"\n`)
  .join("");

beforeAll(async () => {
  await machine.giveStore();
  await ok(
    `printf '%s' ${quote(fileSync)} >> ~/.config/banger/config.toml; mkdir -p tools repo/tools/node/bin`,
  );
  // The daemon reads its configuration when it starts.
  await ok("sudo ./banger system install --owner dev");
  for (const [path, content] of Object.entries(files)) await machine.ok(`cat > ${path}`, { input: content });
  await ok("chmod 755 tools/run repo/tools/node/bin/node; ln -s /etc/passwd tools/link");
  await inRepo(
    "git init -q -b main && git config user.name Host && git config user.email h@example.org && git add -A && git commit -qm first && echo 'uncommitted here' >> code.c",
  );
}, 600_000);

test("a detached run is as banger.toml asks, with tools, commands and files of the owner's, and prints its name", async () => {
  const { status, stdout, stderr } = await run("banger vm run -d --name project ./repo");
  expect([status, stdout]).toEqual([0, "project\n"]);
  expect(stderr).toContain("spec: 1 vcpu | 768 MiB");
  expect(stderr).toContain("banger.toml asks for the network, which is yours to give: --nat");
  expect(
    await exec(
      "cat made; node; echo $MODE, $FROM_MISE; cat ~/.settings; ~/.config/tools/run; ls -A ~/.config/tools",
    ),
  ).toBe("the repository's node\nof the file\nthe repository's node\nof the file, 42\nmine\ntool\nrun\n");
  expect(await exec(`stat -c %a ~/.settings; grep -c 'all tools are installed' ${log}`)).toBe("600\n1\n");
}, 600_000);

test("vm cp takes a file, a tree and - both ways, and leaves no half file when it is interrupted", async () => {
  await ok(
    "mkdir -p tree/sub && echo x > tree/sub/-rf && chmod 640 tree/sub/-rf && ln -s /etc/shadow tree/link",
  );
  await ok("banger vm cp tree project:/srv && banger vm cp project:/srv/tree back");
  expect(await ok("diff -r --no-dereference tree back; stat -c '%a %U' back/sub/-rf")).toBe("640 dev\n");
  await ok("head -c 1000000 /dev/urandom > bytes && banger vm cp - project:/srv/bytes < bytes");
  await ok("banger vm cp project:/srv/bytes - | cmp - bytes");

  await exec("truncate -s 4G /srv/large; echo kept > /srv/kept");
  await ok("echo kept > kept");
  const begun = "ls -A | grep -q '^.banger-copy-'";
  expect(await interrupted("banger vm cp project:/srv/large kept", begun)).toBe(130);
  expect(await ok("cat kept; ls -A | grep banger-copy || true")).toBe("kept\n");
  await ok("truncate -s 4G large");
  expect(await interrupted("banger vm cp large project:/srv/kept", "sleep 4")).toBe(130);
  expect(await exec("cat /srv/kept; ls -A /srv | grep banger || true")).toBe("kept\n");
  await ok("rm large");
}, 600_000);

test("what has changed in the guest is shown, comes home, and goes there again", async () => {
  expect(await ok("banger vm diff project")).toBe("");
  await exec("sed -i 's/^line 3$/line three/' code.c; git commit -qam 'in the guest'; echo new > new.txt");
  const patch = await ok("banger vm diff project");
  expect(patch).toMatch(/^\+line three$/m);
  expect(patch).not.toContain("uncommitted here\n+");
  expect(await ok("banger vm diff project --stat")).toContain(" in the guest\n");
  await ok("banger vm workspace export project --output work.patch");
  expect(await ok("head -1 work.patch")).toBe("diff --git a/new.txt b/new.txt\n");

  const { status, stderr } = await run("banger vm workspace prepare project");
  expect([status, stderr.includes("new.txt\n")]).toEqual([1, true]);
  expect(await inRepo("banger vm pull project")).toBe("banger/project\n");
  expect(await inRepo("git show banger/project:new.txt; git status --porcelain")).toBe("new\n M code.c\n");
  expect(await inRepo("banger vm pull project --apply")).toBe("code.c\nnew.txt\n");
  await inRepo("git add -A && git commit -qm taken");
  expect(await inRepo("banger vm exec project --auto-prepare -- git log -1 --format=%s")).toBe("taken\n");
  expect(await exec("git status --porcelain; cat made")).toBe("the repository's node\nof the file\n");
}, 600_000);

test("a pull that is interrupted changes nothing here, and the next one clears up in the guest", async () => {
  await exec("head -c 20000000 /dev/urandom > big");
  const state = () =>
    inRepo(
      "git for-each-ref; git status --porcelain; ls .git/banger; ls -A ~ /tmp | grep -v 'systemd-private\\|^err$\\|^out$'",
    );
  const before = await state();
  for (const [words, seconds] of [
    ["", 2],
    ["--apply", 3],
  ] as const) {
    expect(await interrupted(`banger vm pull project ./repo ${words}`, `sleep ${seconds}`)).toBe(130);
    expect(await ok("cat out; tail -1 err")).toContain("no edit of yours is lost\n");
    expect(await state()).toBe(before);
  }
  await exec("rm big");
  expect(await ok("banger vm diff project --stat")).toBe("");
  expect(await exec("ls -A .git | grep banger-tmp || true")).toBe("");
}, 600_000);

/** Answers each connection, once it has said all, with how much it said. */
const server = (port: number) => `import socketserver
class Handler(socketserver.StreamRequestHandler):
  def handle(self): self.wfile.write(b"heard %d" % len(self.rfile.read()))
socketserver.ThreadingTCPServer(("127.0.0.1", ${port}), Handler).serve_forever()`;
const say = (port: string, bytes: number) =>
  ok(`head -c ${bytes} /dev/zero | socat -t 100 - TCP:127.0.0.1:${port}`);

test("ports of the guest's loopback are listed, and reached by port-forward and by run -p", async () => {
  await exec(`setsid -f python3 -c ${quote(server(7001))} >/dev/null 2>&1 </dev/null`);
  await ok(
    "until banger vm ports project | grep -q 'project.vm:7001 .* 127.0.0.1 .* python3'; do sleep 1; done",
  );
  await ok(
    `banger vm port-forward project 0:7001 >forward 2>&1 </dev/null & echo $! > pid; until ${hasLines("forward", 1)}; do sleep 0.2; done`,
  );
  const [, port = ""] = /127\.0\.0\.1:(\d+) -> project:7001/.exec(await ok("cat forward")) ?? [];
  expect(await Promise.all([1, 300_000].map((bytes) => say(port, bytes)))).toEqual([
    "heard 1",
    "heard 300000",
  ]);
  expect((await run(`banger vm port-forward project ${port}:7001`)).stderr).toContain(
    "of this host is in use",
  );
  await ok("kill -INT $(cat pid)");
  expect((await run(`socat - TCP:127.0.0.1:${port}`)).status).toBe(1);

  const words = `python3 -c ${quote(server(7000))}`;
  await ok(
    `banger vm run --rm --name porter --memory 512M --vcpu 1 -p 0:7000 -- ${words} >out 2>err </dev/null & echo $! > pid
until grep -q -- '-> porter:7000' err; do kill -0 $(cat pid); sleep 1; done`,
  );
  const [, own = ""] = /127\.0\.0\.1:(\d+) -> porter:7000/.exec(await ok("cat err")) ?? [];
  expect(await say(own, 20)).toBe("heard 20");
  await ok("kill -INT $(cat pid); while kill -0 $(cat pid) 2>/dev/null; do sleep 0.5; done");
  expect((await settledVms(machine)).map(({ name }) => name)).toEqual(["project"]);
}, 900_000);

test("nothing of it is left", async () => {
  await ok("banger vm delete project");
  expect(await settledVms(machine)).toEqual([]);
  expect(await tracesOf(machine)).toBe("");
}, 400_000);
