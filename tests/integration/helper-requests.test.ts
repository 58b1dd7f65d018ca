/** The helper's socket: who may ask, and what comes of asking for what there is not. Needs root. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect as dial } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { VmId } from "../../src/base/ids.ts";
import { formatInstall } from "../../src/config/config.ts";
import { overlayTag } from "../../src/helper/names.ts";
import { openSite } from "../../src/helper/run.ts";
import { type HelperMethod, helper } from "../../src/rpc/rpc.ts";
import { attachLoop } from "../../src/sys/sys.ts";
import { type Bed, codeOf, installOf, isRoot, makeBed, owner, stranger } from "./helper-fixture.ts";

if (!isRoot) process.stdout.write("helper-requests: left out, it needs root\n");

const main = join(import.meta.dir, "../../src/main.ts");

describe.if(isRoot)("the helper's socket", () => {
  let bed: Bed;
  let vm: VmId;
  beforeAll(async () => {
    bed = await makeBed();
    vm = bed.newVm();
  });
  afterAll(() => bed.close());

  /** Params of each method that pass the schema. */
  const good = (): { [M in HelperMethod]: Record<string, unknown> } => ({
    ping: {},
    "bridge.ensure": {},
    "tap.acquire": { vm, address: "172.16.0.2", mac: "02:00:00:00:00:02" },
    "tap.release": { vm },
    "nat.set": { vm, on: true },
    "path.probe": { server: "192.0.2.53" },
    "disk.attach": { vm, image: bed.image, home: "templates" },
    "disk.check": { vm },
    "disk.status": { vm },
    "disk.flush": { vm },
    "disk.detach": { vm },
    "machine.launch": {
      ...{ vm, kernel: bed.kernel, initramfs: bed.initramfs, vcpu: 1, memoryMiB: 128 },
      ...{ home: "vms", saved: { template: "4d".repeat(16) } },
    },
    "machine.signal": { vm, signal: "TERM" },
    "machine.end": { vm },
    "resolver.route": { port: 5353 },
    "resolver.clear": {},
    inventory: {},
  });

  /** All that a request could have left of banger's. */
  const world = () => ({
    files: execFileSync("find", [bed.root, "-printf", "%P %u %m %s\n"], { encoding: "utf8" })
      .split("\n")
      .sort(),
    cgroups: readdirSync(bed.places.cgroups, { recursive: true }).map(String).sort(),
    loops: readdirSync("/sys/block")
      .filter((name) => name.startsWith("loop"))
      .map((name) => `${name} ${statSync(`/sys/block/${name}`).ino}`),
    attached: execFileSync("losetup", ["--list", "--noheadings"], { encoding: "utf8" }),
  });

  test("is the owner's, in a directory of root's through which one can only pass", () => {
    expect(lstatSync(bed.places.socket)).toMatchObject({ uid: owner.uid, gid: owner.gid });
    expect(lstatSync(bed.places.socket).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(bed.root, "run"))).toMatchObject({ uid: 0 });
    expect(lstatSync(join(bed.root, "run")).mode & 0o777).toBe(0o711);
  });

  test("answers root and the owner; anybody else is cut off and noted, even where the modes would let them in", async () => {
    const script =
      'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un($ARGV[0])) or exit 7; syswrite S, "rpc\\nContent-Length: 66\\r\\n\\r\\n" . q({"jsonrpc":"2.0","id":1,"method":"ping","params":{"op":"0123abcd","params":{}}}); sysread(S, $b, 10); print length($b // "")';
    const as = async (user: typeof owner) => {
      const who = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
      const child = spawn("setpriv", [
        ...who,
        "perl",
        "-e",
        `alarm 30; $SIG{PIPE} = "IGNORE"; ${script}`,
        bed.places.socket,
      ]);
      const closed = new Promise((resolve) => child.on("close", resolve));
      return `${await text(child.stdout)} ${await closed}`;
    };
    // EACCES by the mode.
    expect(await as(stranger)).toBe(" 7");
    chmodSync(bed.places.socket, 0o666);
    const before = bed.log.length;
    expect(await as(stranger)).toBe("0 0");
    expect(bed.log.slice(before)).toEqual([
      expect.objectContaining({ level: "warn", message: "refused a connection of another user" }),
    ]);
    chmodSync(bed.places.socket, 0o600);
  });

  test("takes no params but those of the table: 100 mutations of each method's change nothing", async () => {
    const before = world();
    const odd = fc.sample(
      fc.oneof(
        fc.constantFrom<unknown>(
          "",
          "..",
          "../..",
          "/",
          "/etc/passwd",
          "\0",
          null,
          -1,
          0,
          1e300,
          true,
          [],
          {},
        ),
        fc.constantFrom(
          `${vm}/..`,
          `../${vm}`,
          `${vm}\n`,
          vm.toUpperCase(),
          `${vm} `,
          `${vm}\0`,
          "sha256:..",
          "lo",
          "br-fc",
          "-",
          "fc-rootfs-x",
        ),
        fc.anything(),
        fc.string({ unit: "binary" }),
      ),
      { numRuns: 100, seed: 7 },
    );
    for (const [method, params] of Object.entries(good())) {
      const keys = Object.keys(params);
      for (const [index, value] of odd.entries()) {
        const mutated: Record<string, unknown> = { ...params };
        // A key's value, or a key that is none.
        if (index % 5 === 0 || keys.length === 0) mutated[`extra${index}`] = value;
        else mutated[keys[index % keys.length] ?? ""] = value;
        const table = helper[method as HelperMethod];
        if (table.params.safeParse(JSON.parse(JSON.stringify(mutated))).success) continue;
        const noted = bed.log.length;
        const code = await codeOf(bed.client.call(method as HelperMethod, mutated as never));
        expect({ method, value, code }).toEqual({ method, value, code: "bad_request" });
        expect(bed.log.slice(noted)).toEqual([
          expect.objectContaining({ level: "warn", message: "call failed" }),
        ]);
      }
    }
    expect(world()).toEqual(before);
  }, 60_000);

  test("does nothing for 10,000 requests that are made up", async () => {
    const before = world();
    const noted = bed.log.length;
    const methods = Object.keys(helper);
    const requests = fc.sample(
      fc.record({
        method: fc.oneof(fc.constantFrom(...methods), fc.string()),
        params: fc.oneof(
          fc.jsonValue(),
          fc.record({ vm: fc.oneof(fc.uuid(), fc.string()), image: fc.string() }),
        ),
        op: fc.oneof(fc.constant("0123abcd"), fc.jsonValue()),
      }),
      { numRuns: 10_000, seed: 11 },
    );
    const made = requests.filter(({ method, params, op }) => {
      const known = Object.hasOwn(helper, method) ? helper[method as HelperMethod] : undefined;
      return !(op === "0123abcd" && known?.params.safeParse(params).success);
    });
    const socket = dial(bed.places.socket);
    let answers = 0;
    const all = new Promise<void>((resolve, reject) => {
      socket.on("data", (chunk) => {
        answers += chunk.toString("latin1").split('"error":').length - 1;
        if (answers >= made.length) resolve();
      });
      socket.on("close", () => reject(new Error(`the connection ended after ${answers} answers`)));
    });
    socket.write("rpc\n");
    for (const [id, { method, params, op }] of made.entries()) {
      const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id, method, params: { op, params } }));
      if (!socket.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body])))
        await new Promise((resolve) => socket.once("drain", resolve));
    }
    await all;
    socket.removeAllListeners("close");
    socket.destroy();
    expect(made.length).toBeGreaterThan(9000);
    expect(bed.log.slice(noted).every(({ message }) => message === "call failed")).toBe(true);
    expect(world()).toEqual(before);
    expect((await bed.client.call("ping", {})).pid).toBe(process.pid);
  }, 120_000);

  test("ends a connection that sends garbage, and goes on", async () => {
    const before = world();
    for (const bytes of [
      "GET / HTTP/1.1\r\n\r\n",
      "rpc\nContent-Length: 99999999\r\n\r\n",
      "ticket 00\n",
      "\0".repeat(5000),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = dial(bed.places.socket, () => socket.end(bytes));
        socket.on("data", () => {});
        socket.on("error", () => {});
        socket.on("close", () => resolve());
      });
    }
    expect((await bed.client.call("ping", {})).pid).toBe(process.pid);
    expect(world()).toEqual(before);
  });

  test("has no operation on what is another's: a VM without files, a foreign loop device", async () => {
    const absent = VmId.parse("00000000-0000-4000-8000-000000000000");
    expect(await codeOf(bed.client.call("disk.attach", { vm: absent, image: bed.image }))).toBe("not_found");
    for (const method of ["disk.detach", "machine.end"] as const)
      expect(await codeOf(bed.client.call(method, { vm: absent }))).toBe("done");
    for (const method of ["disk.check", "disk.status", "disk.flush"] as const)
      expect(await codeOf(bed.client.call(method, { vm: absent }))).toBe("precondition");
    expect(await codeOf(bed.client.call("machine.signal", { vm: absent, signal: "KILL" }))).toBe(
      "precondition",
    );
    // Somebody's own loop device over the VM's layer, and one over a file elsewhere.
    const files = [join(bed.places.state, "vms", vm, "root.cow"), join(bed.root, "etc/install.toml")];
    const loops = files.map((path) =>
      execFileSync("losetup", ["--find", "--show", path], { encoding: "utf8" }).trim(),
    );
    try {
      await bed.client.call("disk.detach", { vm });
      const listed = execFileSync("losetup", ["--list", "--noheadings", "--output=NAME"], {
        encoding: "utf8",
      });
      for (const loop of loops) expect(listed).toContain(loop);
      expect((await bed.client.call("inventory", {})).vms).toEqual([]);
    } finally {
      for (const loop of loops) execFileSync("losetup", ["--detach", loop]);
    }
  });

  test("knows what a helper before it has attached, whose mounts have gone with it", async () => {
    const mount = join(bed.root, "mnt");
    mkdirSync(mount);
    execFileSync("mount", ["--bind", bed.places.state, mount]);
    const file = openSync(join(mount, "vms", vm, "root.cow"), "r+");
    const { fd, number } = attachLoop(file, overlayTag(vm), { readOnly: false });
    closeSync(file);
    execFileSync("umount", ["--lazy", mount]);
    expect(readFileSync(`/sys/block/loop${number}/loop/backing_file`, "utf8").trim()).toBe(
      `/vms/${vm}/root.cow`,
    );
    const [present] = (await bed.client.call("inventory", {})).vms;
    expect(present).toMatchObject({ vm, overlayLoop: true });
    await bed.client.call("disk.detach", { vm });
    // Its last descriptor is ours.
    closeSync(fd);
    expect((await bed.client.call("inventory", {})).vms).toEqual([]);
  });

  test("leaves no loop device behind when the device-mapper fails", async () => {
    const overlay = join(bed.places.state, "vms", vm, "root.cow");
    // Too small for a snapshot's header; where there is no device-mapper at all, it fails as well.
    writeFileSync(overlay, Buffer.alloc(512));
    const code = await codeOf(bed.client.call("disk.attach", { vm, image: bed.image }));
    expect(code).not.toBe("done");
    for (
      let tries = 0;
      execFileSync("losetup", ["--list"], { encoding: "utf8" }).includes(bed.root);
      tries += 1
    ) {
      expect(tries).toBeLessThan(100);
      await Bun.sleep(10);
    }
    expect((await bed.client.call("inventory", {})).vms).toEqual([]);
  });
});

describe.if(isRoot)("the helper's start", () => {
  test("is refused with install.toml missing, damaged, another user's, writable by others, or of root as the owner", async () => {
    const bed = await makeBed();
    const start = () => codeOf(Promise.resolve().then(() => openSite(bed.places, bed.site.log)));
    const write = (content: string) => writeFileSync(bed.places.install, content);
    expect(await start()).toBe("done");
    chownSync(bed.places.install, owner.uid, owner.gid);
    expect(await start()).toBe("bad_config");
    chownSync(bed.places.install, 0, 0);
    chmodSync(bed.places.install, 0o664);
    expect(await start()).toBe("bad_config");
    chmodSync(bed.places.install, 0o644);
    chmodSync(join(bed.root, "etc"), 0o777);
    expect(await start()).toBe("bad_config");
    chmodSync(join(bed.root, "etc"), 0o755);
    write("owner = 1");
    expect(await start()).toBe("bad_config");
    write(formatInstall(installOf()).replace(String(owner.uid), "0"));
    expect(await start()).toBe("bad_config");
    write(`${formatInstall(installOf())}extra = 1\n`);
    expect(await start()).toBe("bad_config");
    rmSync(bed.places.install);
    expect(await start()).toBe("host_missing");
    await bed.close();
  });

  test("is refused with a config.toml that others can write, or with keys that are not root's to set", async () => {
    const bed = await makeBed();
    const start = (content: string) => {
      writeFileSync(bed.places.config, content);
      return codeOf(Promise.resolve().then(() => openSite(bed.places, bed.site.log)));
    };
    expect(await start('bridge_name = "br-fc-2"\ntap_pool_size = 0\n')).toBe("done");
    expect(await start('log_level = "debug"\n')).toBe("bad_config");
    expect(await start("bridge_name = br-fc\n")).toBe("bad_config");
    chownSync(bed.places.config, owner.uid, owner.gid);
    expect(await start("")).toBe("bad_config");
    await bed.close();
  });

  test("says what is missing, and who it would be, to whoever calls it by hand", () => {
    const call = (uid: number, ...args: string[]) => {
      const dir = mkdtempSync("/tmp/banger-root-");
      // The name decides who it is.
      const result = spawnSync(
        "setpriv",
        [
          `--reuid=${uid}`,
          "--clear-groups",
          "bash",
          "-c",
          'exec -a bangerd-root "$@"',
          "bash",
          process.execPath,
          main,
          ...args,
        ],
        {
          encoding: "utf8",
          cwd: dir,
          env: { PATH: "/usr/bin:/bin", HOME: dir },
        },
      );
      rmSync(dir, { recursive: true });
      return result;
    };
    expect(call(0, "--version").stdout).toStartWith("bangerd-root ");
    const refused = call(0);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("/etc/banger/install.toml");
    expect(readFileSync(main, "utf8")).toContain("bangerd-root");
  });
});
