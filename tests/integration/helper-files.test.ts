/** The helper's way to files that are another user's, while that user does their worst. Needs root. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { eachInTurn } from "../../src/helper/clear.ts";
import { removeJail } from "../../src/helper/machine/jail.ts";
import { openOwned, openState } from "../../src/helper/state-files.ts";
import {
  linkFile,
  memoryFile,
  openAs,
  openBelow,
  openDeviceFor,
  removeTreeOf,
  spawnAs,
} from "../../src/sys/sys.ts";
import {
  type Bed,
  codeOf,
  ended,
  isRoot,
  makeBed,
  owner,
  ownersDirectory,
  ownersFile,
  perlAs,
} from "./helper-fixture.ts";

if (!isRoot) process.stdout.write("helper-files: left out, it needs root\n");

describe.if(isRoot)("a file of the owner's", () => {
  let bed: Bed;
  let state: number;
  let path: string;
  beforeEach(async () => {
    bed = await makeBed();
    state = openState(bed.site);
    path = `vms/${bed.newVm()}/root.cow`;
  });
  afterEach(async () => {
    closeSync(state);
    await bed.close();
  });

  const open = (name = path) =>
    codeOf(Promise.resolve().then(() => closeSync(openOwned(bed.site, state, name, 2, "one"))));

  test("is opened with the owner's rights, and the thread is root's again at once", async () => {
    expect(await open()).toBe("done");
    const status = readFileSync("/proc/thread-self/status", "utf8");
    expect(/^Uid:\t0\t0\t0\t0$/m.test(status) && /^Gid:\t0\t0\t0\t0$/m.test(status)).toBe(true);
    const made = openAs(owner, state, "vms/new", constants.O_RDWR | constants.O_CREAT);
    expect(fstatSync(made)).toMatchObject({ uid: owner.uid, gid: owner.gid });
    closeSync(made);
  });

  test("is refused when it is a link, in the middle too, or leads out", async () => {
    const whole = join(bed.places.state, path);
    renameSync(whole, `${whole}.real`);
    symlinkSync(`${whole}.real`, whole);
    expect(await open()).toBe("denied");
    symlinkSync("/etc", join(bed.places.state, "vms/etc"));
    expect(await open("vms/etc/passwd")).toBe("denied");
    expect(await open("../etc/install.toml")).toBe("denied");
    expect(await open("/etc/passwd")).toBe("denied");
    expect(await open("vms/../../etc/install.toml")).toBe("denied");
  });

  test("is refused when it is another user's, has a second name, or is no file at all", async () => {
    const whole = join(bed.places.state, path);
    chownSync(whole, 0, 0);
    chmodSync(whole, 0o666);
    expect(await open()).toBe("denied");
    chownSync(whole, owner.uid, owner.gid);
    linkSync(whole, `${whole}.second`);
    expect(await open()).toBe("denied");
    rmSync(`${whole}.second`);
    expect(await open()).toBe("done");
    rmSync(whole);
    mkdirSync(whole);
    expect(await open()).toBe("denied");
    rmSync(whole, { recursive: true });
    expect(await open()).toBe("not_found");
    // Neither a FIFO nor a device holds it up.
    execFileSync("mkfifo", [whole]);
    chownSync(whole, owner.uid, owner.gid);
    expect(await open()).toBe("denied");
    rmSync(whole);
    execFileSync("mknod", [whole, "c", "1", "3"]);
    chownSync(whole, owner.uid, owner.gid);
    expect(await open()).toBe("denied");
  });

  test("is refused behind a mount", async () => {
    const over = join(bed.places.state, "vms/over");
    ownersDirectory(over);
    execFileSync("mount", ["--bind", join(bed.places.state, "images"), over]);
    try {
      expect(await open(`vms/over/${bed.image.slice(7)}/rootfs.ext4`)).toBe("denied");
    } finally {
      execFileSync("umount", [over]);
    }
  });

  test("that is readable by root alone stays so: 100,000 rounds against a process that swaps names", async () => {
    const secret = join(bed.root, "secret");
    writeFileSync(secret, "root's", { mode: 0o600 });
    const directory = join(bed.places.state, "vms", path.split("/")[1] ?? "");
    // Swaps the file for a link to root's, and its directory for a link to one of root's, as fast as it can.
    const swapper = perlAs(
      owner,
      `my ($d, $s) = @ARGV; chdir "$d/.." or die; mkdir "x"; symlink $s, "x/root.cow"; symlink "$d.d", "l";
       $| = 1; print "go\\n"; symlink $s, "$d/link";
       for (;;) { rename "$d/root.cow", "$d/kept"; rename "$d/link", "$d/root.cow"; rename "$d/root.cow", "$d/link";
         rename "$d/kept", "$d/root.cow"; rename $d, "$d.d"; rename "l", $d; rename $d, "l"; rename "$d.d", $d; }`,
      directory,
      secret,
    );
    await new Promise((resolve) => swapper.stdout?.once("data", resolve));
    const { ino } = lstatSync(secret);
    const seen: Record<string, number> = {};
    for (let round = 0; round < 100_000; round += 1) {
      let outcome = "opened";
      try {
        const fd = openOwned(bed.site, state, path, constants.O_RDWR, "one");
        const found = fstatSync(fd);
        if (found.ino === ino || found.uid !== owner.uid) outcome = "a file of root's";
        closeSync(fd);
      } catch (error) {
        outcome = error instanceof Error && "code" in error ? String(error.code) : String(error);
      }
      seen[outcome] = (seen[outcome] ?? 0) + 1;
    }
    await ended(swapper);
    expect(Object.keys(seen).sort()).toEqual(["denied", "not_found", "opened"]);
    expect(readFileSync(secret, "utf8")).toBe("root's");
  }, 120_000);
});

describe.if(isRoot)("a link to an open file", () => {
  test("is to that file, whatever its name means by now", async () => {
    const bed = await makeBed();
    const state = openState(bed.site);
    const vm = bed.newVm();
    const path = `vms/${vm}/work.ext4`;
    const file = openOwned(bed.site, state, path, constants.O_RDWR, "one");
    const { ino } = fstatSync(file);
    rmSync(join(bed.places.state, path));
    symlinkSync("/etc/shadow", join(bed.places.state, path));
    const directory = openSync(bed.root, constants.O_RDONLY | constants.O_DIRECTORY);
    // Its last name is gone: there is nothing to link to, and nothing else is linked.
    expect(await codeOf(Promise.resolve().then(() => linkFile(file, directory, "linked")))).toBe("ENOENT");
    const other = openOwned(bed.site, state, `vms/${vm}/root.cow`, constants.O_RDWR, "one");
    renameSync(join(bed.places.state, `vms/${vm}/root.cow`), join(bed.places.state, "elsewhere"));
    linkFile(other, directory, "linked");
    expect(lstatSync(join(bed.root, "linked")).ino).toBe(fstatSync(other).ino);
    expect(fstatSync(file).ino).toBe(ino);
    for (const fd of [file, other, directory, state]) closeSync(fd);
    await bed.close();
  });
});

describe.if(isRoot)("removing a jail", () => {
  let bed: Bed;
  let jails: number;
  beforeEach(async () => {
    bed = await makeBed();
    mkdirSync(bed.places.jails, { mode: 0o711 });
    jails = openSync(bed.places.jails, constants.O_RDONLY | constants.O_DIRECTORY);
  });
  afterEach(async () => {
    closeSync(jails);
    await bed.close();
  });

  /** As jailer leaves it: the top is root's, what is in it the owner's. */
  function jail(mode: number): string {
    const top = join(bed.places.jails, "vm");
    mkdirSync(top);
    chmodSync(top, mode);
    ownersDirectory(join(top, "root"));
    return join(top, "root");
  }
  const remove = () => removeTreeOf(owner.uid, jails, "vm");

  test("takes a tree of any depth, with links, sockets and devices in it, and is done when there is none", () => {
    const root = jail(0o711);
    ownersFile(join(root, "dev/net/file"), 1);
    execFileSync("mknod", [join(root, "dev/loop"), "b", "7", "250"]);
    symlinkSync("/etc/passwd", join(root, "link"));
    symlinkSync("/etc", join(root, "dev/directory"));
    // Deeper than any path may be long.
    execFileSync("setpriv", [
      `--reuid=${owner.uid}`,
      "--clear-groups",
      `--regid=${owner.gid}`,
      "perl",
      "-e",
      'chdir $ARGV[0]; for (1..40) { mkdir "d" x 200 or die $!; chdir "d" x 200; }',
      root,
    ]);
    remove();
    expect(readdirSync(bed.places.jails)).toEqual([]);
    remove();
  });

  test("follows no link and crosses no mount", async () => {
    const root = jail(0o711);
    const elsewhere = join(bed.root, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "file"), "here");
    symlinkSync(elsewhere, join(root, "link"));
    mkdirSync(join(root, "mount"));
    execFileSync("mount", ["--bind", elsewhere, join(root, "mount")]);
    try {
      expect(await codeOf(Promise.resolve().then(remove))).toMatch(/^E(BUSY|XDEV)$/);
    } finally {
      execFileSync("umount", [join(root, "mount")]);
    }
    expect(readFileSync(join(elsewhere, "file"), "utf8")).toBe("here");
    remove();
    expect(readdirSync(elsewhere)).toEqual(["file"]);
  });

  test("refuses a directory of root's that the owner has moved in, until jailer's are the only ones", async () => {
    const root = jail(0o711);
    // A directory of the owner's that holds one of root's: the owner may move it, but not empty it.
    const brought = join(root, "brought");
    ownersDirectory(brought);
    mkdirSync(join(brought, "roots"));
    writeFileSync(join(brought, "roots/file"), "keep");
    expect(await codeOf(Promise.resolve().then(remove))).toBe("EPERM");
    expect(execFileSync("find", [bed.places.jails, "-name", "file"], { encoding: "utf8" })).toContain(
      "/file\n",
    );
    // Never opened to the owner: what is root's in it was left by jailer, half-done.
    chmodSync(join(bed.places.jails, "vm"), 0o700);
    remove();
    expect(readdirSync(bed.places.jails)).toEqual([]);
  });

  test("harms nothing outside while a process swaps directories for links: 40 jails", async () => {
    const victim = join(bed.root, "victim");
    mkdirSync(join(victim, "sub"), { recursive: true });
    writeFileSync(join(victim, "sub/file"), "here");
    chmodSync(victim, 0o755);
    const swapper = perlAs(
      owner,
      `my ($j, $v) = @ARGV; $| = 1; print "go\\n";
       for (;;) { select undef, undef, undef, 0.001; next unless chdir "$j/vm/root"; for my $i (1..50) { mkdir "a"; mkdir "a/sub"; open my $f, ">", "a/sub/file";
         rename "a", "b$i"; symlink $v, "a"; symlink "$v/sub", "b$i/link"; unlink "a"; rename "b$i/sub", "b$i/c"; symlink "$v/sub", "b$i/sub"; } chdir "/"; }`,
      bed.places.jails,
      victim,
    );
    await new Promise((resolve) => swapper.stdout?.once("data", resolve));
    const outcomes = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      const root = jail(0o711);
      for (const name of ["d", "e"]) ownersFile(join(root, name, "sub/file"), 1);
      for (let tries = 0; ; tries += 1) {
        const outcome = await codeOf(Promise.resolve().then(remove));
        outcomes.add(outcome);
        if (outcome === "done") break;
        expect(tries).toBeLessThan(50);
      }
    }
    await ended(swapper);
    expect(
      [...outcomes].filter((outcome) => !/^(done|E2BIG|ENOTEMPTY|ENOTDIR|ELOOP)$/.test(outcome)),
    ).toEqual([]);
    expect(readFileSync(join(victim, "sub/file"), "utf8")).toBe("here");
    expect(lstatSync(victim)).toMatchObject({ uid: 0, gid: 0 });
    expect(lstatSync(join(victim, "sub")).mode & 0o7777).toBe(0o755);
  }, 120_000);
});

describe.if(isRoot)("a program for the owner", () => {
  const statusOf = async (fds: { user?: typeof owner; fd3?: number }) => {
    const output = memoryFile(16384);
    const { ended } = spawnAs(
      "/usr/bin/env",
      ["bash", "-c", "cat /proc/self/status; ls -l /proc/self/fd; env; pwd"],
      {
        stdout: output,
        stderr: output,
        ...fds,
      },
    );
    expect(await ended).toBe(0);
    const text = readFileSync(`/proc/self/fd/${output}`, "utf8").replace(/\0+$/, "");
    closeSync(output);
    return text;
  };

  test("has the owner's ids, no group, no capability and no way to any, and inherits nothing", async () => {
    process.env.SECRET_OF_ROOT = "x";
    const text = await statusOf({ user: owner });
    delete process.env.SECRET_OF_ROOT;
    expect(text).toContain(`Uid:\t${owner.uid}\t${owner.uid}\t${owner.uid}\t${owner.uid}`);
    expect(text).toContain(`Gid:\t${owner.gid}\t${owner.gid}\t${owner.gid}\t${owner.gid}`);
    expect(/^Groups:\s*$/m.test(text)).toBe(true);
    expect(text).toContain("NoNewPrivs:\t1");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect(text).toContain(`${set}:\t0000000000000000`);
    expect(text).toContain("SigIgn:\t0000000000000000");
    expect(text).not.toContain("SECRET_OF_ROOT");
    // Standard descriptors and the directory that ls reads.
    expect(text.match(/ [0-9]+ -> /g)).toEqual([" 0 -> ", " 1 -> ", " 2 -> ", " 3 -> "]);
    expect(text.trim().endsWith("\n/")).toBe(true);
  });

  test("opens the block device of its descriptor again, and nobody finds it by a name", async () => {
    const bed = await makeBed();
    const backing = join(bed.places.state, "device");
    ownersFile(backing, 1 << 20);
    const loop = execFileSync("losetup", ["--find", "--show", backing], { encoding: "utf8" }).trim();
    try {
      const directory = openSync(bed.root, constants.O_RDONLY | constants.O_DIRECTORY);
      const minor = Number(loop.replace("/dev/loop", ""));
      const device = openDeviceFor(owner, directory, "node", { major: 7, minor });
      expect(readdirSync(bed.root)).not.toContain("node");
      const output = memoryFile(4096);
      const write = spawnAs("/usr/bin/env", ["bash", "-c", `printf written > /proc/self/fd/3; : < ${loop}`], {
        stdout: output,
        stderr: output,
        fd3: device,
        user: owner,
      });
      // By its name it is root's.
      expect(await write.ended).not.toBe(0);
      execFileSync("sync");
      expect(readFileSync(backing, "latin1").slice(0, 7)).toBe("written");
      for (const fd of [directory, device, output]) closeSync(fd);
    } finally {
      execFileSync("losetup", ["--detach", loop]);
      await bed.close();
    }
  });
});

test.if(isRoot)("what is below is opened below", async () => {
  const bed = await makeBed();
  const directory = openSync(bed.root, constants.O_RDONLY | constants.O_DIRECTORY);
  expect(await codeOf(Promise.resolve().then(() => openBelow(directory, "../passwd", 0)))).toBe("EXDEV");
  closeSync(directory);
  await bed.close();
});

describe.if(isRoot)("clearing all", () => {
  test("goes on past a jail in which the owner has mounted something, and says so", async () => {
    const bed = await makeBed();
    const [held, free] = [bed.newVm(), bed.newVm()];
    for (const directory of ["", "firecracker"])
      mkdirSync(join(bed.places.jails, directory), { mode: 0o711 });
    for (const vm of [held, free]) {
      mkdirSync(join(bed.places.jails, "firecracker", vm), { mode: 0o711 });
      ownersDirectory(join(bed.places.jails, "firecracker", vm, "root"));
    }
    const over = join(bed.places.jails, "firecracker", held, "root", "over");
    mkdirSync(over);
    execFileSync("mount", ["-t", "tmpfs", "none", over]);
    try {
      const removals = [held, free].map((vm) => () => removeJail(bed.site, vm));
      expect(await codeOf(eachInTurn(removals))).not.toBe("done");
      expect(readdirSync(join(bed.places.jails, "firecracker"))).toEqual([held]);
    } finally {
      execFileSync("umount", [over]);
      await bed.close();
    }
  });
});
