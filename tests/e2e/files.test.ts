/** What goes between host and guest beside a workspace: files, and connections. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Banger, eventually } from "./fixture.ts";

const banger = new Banger();
const at = (...parts: string[]) => join(banger.dir, ...parts);
const exec = async (script: string) => banger.ok(["vm", "exec", "filer", "--", "sh", "-c", script]);

/** Answers each connection, once it has said all, with how much it said. */
const server = (port: number, connections: number) =>
  `perl -e 'use IO::Socket::INET; $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => ${port}, Listen => 9, ReuseAddr => 1) or die;
  for (1..${connections}) { $c = $s->accept; local $/; $all = <$c>; print $c "heard " . length $all; close $c }'`;

/** Says it all, ends its side, and resolves with the answer. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => socket.end(text));
    socket.on("data", (chunk) => (answer += chunk));
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

beforeAll(async () => {
  writeFileSync(
    join(banger.env.XDG_CONFIG_HOME ?? "", "banger/config.toml"),
    `[warm]
mode = "off"
[[file_sync]]
host = "~/settings"
guest = "~/.settings"
[[file_sync]]
host = "~/tools"
guest = "/root/.config/tools"
mode = "0777"
[[file_sync]]
host = "~/linked"
guest = "~/linked"
mode = "0644"
[[file_sync]]
host = "~/not-there"
guest = "~/not-there"
`,
  );
  writeFileSync(at("settings"), "mine\n");
  mkdirSync(at("tools"));
  writeFileSync(at("tools/run"), "#!/bin/sh\necho tool\n");
  chmodSync(at("tools/run"), 0o755);
  symlinkSync("/etc/passwd", at("tools/link"));
  symlinkSync("settings", at("linked"));
  await banger.image();
});
afterAll(() => banger.close());

test("vm run -p leads to the VM for as long as its command lasts, and file_sync was there before that", async () => {
  const script = `cat /root/.settings; /root/.config/tools/run; ${server(7000, 1)}`;
  const run = banger.start([
    "vm",
    "run",
    "--name",
    "filer",
    "--memory",
    "1G",
    "-p",
    "0:7000",
    "--",
    "sh",
    "-c",
    script,
  ]);
  let err = "";
  let out = "";
  run.stderr.on("data", (chunk) => (err += chunk));
  run.stdout.on("data", (chunk) => (out += chunk));
  const ended = new Promise((resolve) => run.on("close", resolve));
  await eventually("it says where it listens", 240_000, () => /-> filer:7000/.test(err));
  const port = Number(/127\.0\.0\.1:([0-9]+) -> filer:7000/.exec(err)?.[1]);
  expect(await say(port, "x".repeat(300_000))).toBe("heard 300000");
  expect(await ended).toBe(0);
  expect(out).toBe("mine\ntool\n");
  expect(say(port, "")).rejects.toThrow();
});

test("file_sync: modes and owners are as it says, links inside are left out, what is not there is no failure", async () => {
  const found = await exec(
    "cd /root; stat -c '%n %a %U' .settings linked .config/tools/run; ls -A .config/tools; cat linked",
  );
  expect(found).toBe(".settings 600 root\nlinked 644 root\n.config/tools/run 755 root\nrun\nmine\n");
  const log = readFileSync(JSON.parse(await banger.ok(["daemon", "status", "--json"])).logPath, "utf8");
  expect(log).toMatch(/file_sync leaves something out.*not-there/);
  expect(log).toMatch(/file_sync leaves something out.*tools\/link/);
  // It is no file of the VM's any more.
  const [vm] = await banger.vms();
  expect(readdirSync(join(banger.env.XDG_STATE_HOME ?? "", "banger/vms", vm?.id ?? ""))).not.toContain(
    "file-sync.tar",
  );
});

test("a tree goes in and comes back, with names, modes and links", async () => {
  mkdirSync(at("tree/sub"), { recursive: true });
  for (const name of ["a\nb", "-rf", "ü", "\x1b[2J"]) writeFileSync(at("tree/sub", name), name);
  writeFileSync(at("tree/run"), "x");
  chmodSync(at("tree/run"), 0o750);
  symlinkSync("/etc/shadow", at("tree/link"));
  await banger.ok(["vm", "cp", "tree", "filer:"]);
  expect(await exec("cd /root/tree; stat -c '%a %U' run; readlink link; ls -A sub | wc -l")).toBe(
    "750 root\n/etc/shadow\n5\n",
  );
  await banger.ok(["vm", "cp", "filer:tree", "back"]);
  expect(readdirSync(at("back/sub")).sort()).toEqual(readdirSync(at("tree/sub")).sort());
  expect(readlinkSync(at("back/link"))).toBe("/etc/shadow");
  expect(lstatSync(at("back/run")).mode & 0o777).toBe(0o750);
});

test("- is standard input and output", async () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, n) => n % 251));
  await banger.ok(["vm", "cp", "-", "filer:/srv/bytes"], { input: bytes });
  const [sum = ""] = (await exec("sha256sum /srv/bytes")).split(" ");
  expect(new Bun.CryptoHasher("sha256").update(bytes).digest("hex")).toBe(sum);
  expect(await banger.ok(["vm", "cp", "filer:.settings", "-"])).toBe("mine\n");
});

test("what a guest prepares cannot get out of the destination", async () => {
  await exec(`mkdir -p /srv/bad/.git && cd /srv/bad && ln -s ${banger.dir} out && ln -s ../../../../.. up &&
    touch su && chmod 6755 su && mknod sda b 8 0 && mkfifo pipe`);
  const { status, stderr } = await banger.run(["vm", "cp", "filer:/srv/bad", "got"]);
  expect(status).toBe(0);
  expect(stderr).toContain("git on this host runs what its settings and hooks name");
  expect(readdirSync(at("got")).sort()).toEqual([".git", "out", "su", "up"]);
  expect(lstatSync(at("got/su")).mode & 0o7777).toBe(0o755);
  // Over its own links, from a guest that has made directories of them.
  await exec("cd /srv/bad && rm out && mkdir out && echo x > out/planted");
  const again = await banger.run(["vm", "cp", "filer:/srv/bad/.", "got"]);
  expect([again.status, again.stderr.includes("got/out")]).toEqual([1, true]);
  expect(existsSync(at("planted"))).toBe(false);
});

test("a copy that is given up leaves no half file, on either side", async () => {
  await exec("truncate -s 4G /srv/large; echo kept > /srv/kept");
  writeFileSync(at("kept"), "kept");
  const out = banger.start(["vm", "cp", "filer:/srv/large", "kept"]);
  await eventually("it has begun", 60_000, () =>
    readdirSync(banger.dir).some((name) => name.startsWith(".banger-copy-")),
  );
  out.kill("SIGINT");
  expect(await new Promise((resolve) => out.on("close", resolve))).toBe(130);
  expect(readFileSync(at("kept"), "utf8")).toBe("kept");
  expect(readdirSync(banger.dir).filter((name) => name.startsWith(".banger"))).toEqual([]);

  execFileSync("truncate", ["-s", "4G", at("large")]);
  const into = banger.start(["vm", "cp", "large", "filer:/srv/kept"]);
  await Bun.sleep(1500);
  into.kill("SIGINT");
  expect(await new Promise((resolve) => into.on("close", resolve))).toBe(130);
  expect(await exec("cat /srv/kept; ls -A /srv | grep -c banger || true")).toBe("kept\n0\n");
});

test("vm ports says what listens, and port-forward leads to it, several connections at once", async () => {
  await exec(`setsid -f ${server(7001, 20)} > /dev/null 2>&1 < /dev/null`);
  await eventually("it listens", 30_000, async () =>
    (await banger.ok(["vm", "ports", "filer"])).includes("filer.vm:7001"),
  );
  const listeners = JSON.parse(await banger.ok(["vm", "ports", "filer", "--json"]));
  expect(listeners.find(({ port }: { port: number }) => port === 7001)).toMatchObject({
    ...{ endpoint: "filer.vm:7001", protocol: "tcp", addresses: ["127.0.0.1"], process: "perl" },
  });
  const forward = banger.start(["vm", "port-forward", "filer", "0:7001", "0:9"]);
  let out = "";
  let err = "";
  forward.stdout.on("data", (chunk) => (out += chunk));
  forward.stderr.on("data", (chunk) => (err += chunk));
  await eventually("it listens", 30_000, () => out.split("\n").length > 2);
  const [good = 0, nobody = 0] = [...out.matchAll(/127\.0\.0\.1:([0-9]+)/g)].map(([, port]) => Number(port));
  const answers = await Promise.all([1, 20, 300_000].map((size) => say(good, "y".repeat(size))));
  expect(answers).toEqual(["heard 1", "heard 20", "heard 300000"]);
  const taken = await banger.run(["vm", "port-forward", "filer", `${good}:7001`]);
  expect([taken.status, taken.stderr]).toEqual([
    1,
    expect.stringContaining(`127.0.0.1:${good} of this host is in use`),
  ]);
  // Before there is a VM.
  const run = await banger.run(["vm", "run", "-p", `${good}:80`, "--", "true"]);
  expect([run.status, (await banger.vms()).length]).toEqual([1, 1]);
  await say(nobody, "").catch(() => {});
  await eventually("the reason is said", 40_000, () => /port 9 in the guest cannot be reached/.test(err));
  forward.kill("SIGINT");
  expect(await new Promise((resolve) => forward.on("close", resolve))).toBe(130);
});
