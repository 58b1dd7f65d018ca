/** A VM by its name: what OpenSSH's programs do with banger's configuration, and what the name server's answer leads to. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { Banger, eventually, type Finished } from "./fixture.ts";

const banger = new Banger();
const own = (name: string) => join(banger.dir, name);
let config = "";

/** One of OpenSSH's programs, or what uses them, with banger's configuration. */
async function host(program: string, args: readonly string[], input = ""): Promise<Finished> {
  const child = spawn(program, args, { env: banger.env, cwd: banger.dir, stdio: "pipe" });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].on("data", (chunk) => {
      said[stream] += chunk;
    });
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, ...said };
}
const ssh = (...args: string[]) => host("ssh", ["-F", config, ...args]);

beforeAll(async () => {
  await banger.image();
  const [line = ""] = (await banger.ok(["ssh-config"])).split("\n");
  config = own("ssh config");
  writeFileSync(config, `${line}\n`);
  await banger.ok(["vm", "create", "--name", "named", "--memory", "1G"]);
});
afterAll(() => banger.close());

test("ssh runs a command by the VM's name, with its streams and its status", async () => {
  const { status, stdout, stderr } = await ssh("named.vm", "hostname; echo err >&2; exit 42");
  expect([status, stdout, stderr]).toEqual([42, "named\n", "err\n"]);
  expect((await host("ssh", ["-F", config, "-T", "Named.vm", "bash", "-s"], "echo by $0")).stdout).toBe(
    "by bash\n",
  );
});

test("one connection carries files both ways, commands, and forwarded ports: what editors do", async () => {
  const socks = await freePort();
  const shared = ["-o", `ControlPath=${own("control")}`];
  const master = spawn(
    "ssh",
    ["-F", config, ...shared, "-o", "ControlMaster=yes", "-N", "-D", String(socks), "named.vm"],
    { env: banger.env, stdio: "ignore" },
  );
  const ended = new Promise((resolve) => master.once("close", resolve));
  try {
    await eventually("the connection is shared", 60_000, () => existsSync(own("control")));
    expect((await ssh(...shared, "named.vm", "hostname")).stdout).toBe("named\n");

    writeFileSync(own("there"), "and back\n");
    const copied = await host("scp", ["-F", config, ...shared, "there", "named.vm:/root/copied"]);
    expect(copied).toMatchObject({ status: 0 });
    const batch = "rename /root/copied /root/renamed\nget /root/renamed back\n";
    const fetched = await host("sftp", ["-F", config, ...shared, "-b", "-", "named.vm"], batch);
    expect(fetched).toMatchObject({ status: 0 });
    expect(readFileSync(own("back"), "utf8")).toBe("and back\n");
    mkdirSync(own("tree"));
    writeFileSync(own("tree/script"), "#!/bin/sh\n", { mode: 0o755 });
    const by = ["-a", "-e", `ssh -F '${config}' ${shared.join(" ")}`];
    expect(await host("rsync", [...by, "tree/", "named.vm:/root/tree"])).toMatchObject({ status: 0 });
    expect(await host("rsync", [...by, "named.vm:/root/tree/", "tree2"])).toMatchObject({ status: 0 });
    expect(statSync(own("tree2/script")).mode & 0o777).toBe(0o755);

    const forwarded = await freePort();
    const added = await ssh(...shared, "-O", "forward", "-L", `${forwarded}:localhost:22`, "named.vm");
    expect(added).toMatchObject({ status: 0 });
    expect(await greeting("127.0.0.1", forwarded)).toStartWith("SSH-2.0-");
    const curl = ["-s", "--max-time", "20", "-x", `socks5h://127.0.0.1:${socks}`, "--http0.9"];
    expect((await host("curl", [...curl, "http://localhost:22"])).stdout).toStartWith("SSH-2.0-");
  } finally {
    master.kill();
    await ended;
  }
});

test("a host key that is another one's is refused", async () => {
  const file = join(banger.env.XDG_STATE_HOME ?? "", "banger/ssh/known_hosts");
  const right = readFileSync(file, "utf8");
  try {
    writeFileSync(file, right.replace("named.vm", "other.vm"));
    const { status, stderr } = await ssh("named.vm", "true");
    expect([status, stderr]).toEqual([255, expect.stringContaining("Host key verification failed")]);
  } finally {
    writeFileSync(file, right);
  }
});

test("its name leads to its ports, for this user and no other", async () => {
  const { names } = JSON.parse(await banger.ok(["daemon", "status", "--json"]));
  const resolver = new Resolver();
  resolver.setServers([names.server]);
  const serve =
    "cd /srv && echo hello > page && setsid python3 -m http.server -b 127.0.0.1 3000 >/dev/null 2>&1 &";
  await banger.ok(["vm", "exec", "named", "--", "sh", "-c", serve]);
  let address = "";
  await eventually("port 3000 is there", 60_000, async () => {
    [address = ""] = await resolver.resolve4("named.vm");
    return fetch(`http://${address}:3000/page`).then(
      async (page) => (await page.text()) === "hello\n",
      () => false,
    );
  });
  expect(address).toMatch(/^127\.66\./);
  expect(JSON.parse(await banger.ok(["vm", "show", "named", "--json"])).ip).toBe(address);
  await expect(greeting(address, 3001)).rejects.toThrow("ECONNREFUSED");
  if (process.getuid?.() === 0) {
    const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-sS", "--max-time", "20"];
    const { stdout, stderr } = spawnSync("setpriv", [...asNobody, `http://${address}:3000/page`], {
      encoding: "utf8",
    });
    // It may notice when it connects, when it asks, or when it waits.
    expect([stdout, stderr]).toEqual(["", expect.stringMatching(/reset by peer|Empty reply|connect/)]);
    // Where it takes no more than that.
    expect(await greeting(address, 22)).toStartWith("SSH-2.0-");
  }
  await banger.ok(["vm", "stop", "named"]);
  await expect(resolver.resolve4("named.vm")).rejects.toMatchObject({ code: "ENOTFOUND" });
  await expect(greeting(address, 3000)).rejects.toThrow("ECONNREFUSED");
});

test("with the VM its name is gone, its host key's too", async () => {
  await banger.ok(["vm", "delete", "named"]);
  const { status, stderr } = await ssh("named.vm", "true");
  expect([status, stderr]).toEqual([255, expect.stringContaining('there is no VM "named"')]);
  const file = join(banger.env.XDG_STATE_HOME ?? "", "banger/ssh/known_hosts");
  await eventually("its key is gone", 5_000, () => readFileSync(file, "utf8") === "");
});

/** The first that a server says. */
function greeting(address: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    socket.setTimeout(20_000, () => socket.destroy(new Error("silent")));
    socket.once("data", (said) => {
      socket.destroy();
      resolve(said.toString());
    });
    socket.once("error", reject);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
