/** Jails and machines, with a jailer of the tests' own that does what the real one does. Needs root. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../src/base/base.ts";
import { launchIn, launchMachine } from "../../src/helper/machine/launch.ts";
import { identify, isAlive } from "../../src/sys/sys.ts";
import { type Bed, codeOf, ended, isRoot, makeBed, owner } from "./helper-fixture.ts";

if (!isRoot) process.stdout.write("helper-machine: left out, it needs root\n");

/** Like jailer: joins its control group, gives the jail to the owner, becomes the owner, listens. */
const jailer = `#!/usr/bin/perl
use Socket; $| = 1;
my %o = @ARGV;
my $group = "CGROUPS/$o{'--parent-cgroup'}/$o{'--id'}";
mkdir "CGROUPS/$o{'--parent-cgroup'}"; mkdir $group;
open my $f, ">", "$group/cgroup.procs" or die; print $f $$; close $f or die;
my $root = "$o{'--chroot-base-dir'}/firecracker/$o{'--id'}/root";
chroot $root or die; chdir "/";
mkdir "run", 0700; mkdir "dev", 0700;
chown $o{'--uid'}, $o{'--gid'}, "/", "/run", "/dev" or die; chmod 0700, "/";
$( = $) = "$o{'--gid'} $o{'--gid'}"; $< = $> = $o{'--uid'}; $0 = "firecracker";
print STDOUT "the guest's console\\n"; print STDERR "jailed\\n";
if (-e "/refuse") { die "the \\e[31mkernel makes no sense" }
socket my $s, PF_UNIX, SOCK_STREAM, 0; bind $s, sockaddr_un("/run/firecracker.socket") or die; listen $s, 8;
sleep 600;
`;

describe.if(isRoot)("a machine", () => {
  let bed: Bed;
  let vm: VmId;
  const device = { major: 7, minor: 250 };
  beforeEach(async () => {
    bed = await makeBed();
    vm = bed.newVm();
    program("jailer", jailer.replaceAll("CGROUPS", bed.places.cgroups));
    program("firecracker", "");
  });
  afterEach(async () => {
    await bed.client.call("machine.end", { vm });
    await bed.close();
  });

  function program(name: string, text: string) {
    writeFileSync(join(bed.root, "bin", name), text, { mode: 0o755 });
    chmodSync(join(bed.root, "bin", name), 0o755);
  }
  const launch = () => {
    const { kernel, initramfs } = bed;
    const plan = launchMachine.validate({ vm, kernel, initramfs, vcpu: 1, memoryMiB: 128 }, bed.site);
    return launchIn(bed.site, plan, device, new AbortController().signal);
  };
  const jail = () => join(bed.places.jails, "firecracker", vm);
  const ours = (name: string) => join(bed.places.state, "vms", vm, name);

  test("has the owner's files and device in its jail, and writes its logs as the owner", async () => {
    const umask = process.umask(0o077);
    const { process: machine } = await launch();
    process.umask(umask);
    expect(isAlive(machine)).toBe(true);
    const inJail = (name: string) => lstatSync(join(jail(), "root", name));
    expect(inJail("work.ext4").ino).toBe(statSync(ours("work.ext4")).ino);
    expect(inJail("vmlinux").ino).toBe(
      statSync(join(bed.places.state, "kernels", bed.kernel.slice(7), "vmlinux")).ino,
    );
    const node = inJail("root.dev");
    expect({ block: node.isBlockDevice(), uid: node.uid, mode: node.mode & 0o777 }).toEqual({
      block: true,
      uid: owner.uid,
      mode: 0o600,
    });
    expect(readFileSync(ours("console.log"), "utf8")).toBe("the guest's console\n");
    expect(readFileSync(ours("vmm.log"), "utf8")).toBe("jailed\n");
    expect(statSync(ours("vmm.log"))).toMatchObject({ uid: owner.uid, gid: owner.gid });
    // Down to it all is root's, and others may pass.
    for (const path of [bed.places.jails, join(bed.places.jails, "firecracker"), jail()])
      expect({ path, mode: lstatSync(path).mode & 0o7777, uid: lstatSync(path).uid }).toEqual({
        path,
        mode: 0o711,
        uid: 0,
      });
    const status = readFileSync(`/proc/${machine.pid}/status`, "utf8");
    expect(status).toContain(`Uid:\t${owner.uid}`);
    // A session of its own: the end of the helper's is not its end.
    expect(readFileSync(`/proc/${machine.pid}/stat`, "utf8").split(" ")[5]).toBe(String(machine.pid));
  });

  test("is found again, signalled and ended by its VM's id alone", async () => {
    const { process: machine } = await launch();
    const { vms } = await bed.client.call("inventory", {});
    expect(vms).toEqual([
      {
        vm,
        process: machine,
        jail: true,
        cgroup: true,
        snapshot: false,
        overlayLoop: false,
        tap: null,
        nat: false,
      },
    ]);
    await bed.client.call("machine.signal", { vm, signal: "TERM" });
    while (isAlive(machine)) await Bun.sleep(2);
    expect(await codeOf(bed.client.call("machine.signal", { vm, signal: "TERM" }))).toBe("precondition");
    await bed.client.call("machine.end", { vm });
    await bed.client.call("machine.end", { vm });
    expect(existsSync(jail())).toBe(false);
    expect((await bed.client.call("inventory", {})).vms).toEqual([]);
    // The owner's files are still the owner's, with one name each.
    expect(statSync(ours("work.ext4"))).toMatchObject({ uid: owner.uid, nlink: 1 });
  });

  test("is ended with all that it has started", async () => {
    const { process: machine } = await launch();
    const child = spawn("sleep", ["600"]);
    writeFileSync(join(bed.places.cgroups, "banger", vm, "cgroup.procs"), String(child.pid));
    await bed.client.call("machine.end", { vm });
    expect(isAlive(machine)).toBe(false);
    expect(identify(child.pid ?? 0)).toBeUndefined();
    expect(existsSync(join(bed.places.cgroups, "banger", vm))).toBe(false);
  });

  test("that does not start leaves nothing, and says why in words fit for a terminal", async () => {
    program("jailer", '#!/usr/bin/perl\nmkdir "x"; die "old words are not repeated, \\e[31mnew ones are";\n');
    appendFileSync(ours("vmm.log"), "of an earlier start\n");
    chownSync(ours("vmm.log"), owner.uid, owner.gid);
    const error = await launch().catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("new ones are");
    expect(String(error)).not.toContain("earlier");
    expect(String(error)).not.toContain("\u001b");
    await launchMachine.undo?.({ vm } as never, bed.site);
    expect(existsSync(jail())).toBe(false);
  });

  test("is not started by a program, below a directory or with a file that is not what it must be", async () => {
    chmodSync(join(bed.root, "bin/jailer"), 0o775);
    expect(await codeOf(launch())).toBe("denied");
    chmodSync(join(bed.root, "bin/jailer"), 0o755);
    chownSync(join(bed.root, "bin"), owner.uid, owner.gid);
    expect(await codeOf(launch())).toBe("denied");
    chownSync(join(bed.root, "bin"), 0, 0);
    mkdirSync(bed.places.jails, { mode: 0o711 });
    chownSync(bed.places.jails, owner.uid, owner.gid);
    expect(await codeOf(launch())).toBe("denied");
    chownSync(bed.places.jails, 0, 0);
    rmSync(ours("work.ext4"));
    symlinkSync("/etc/shadow", ours("work.ext4"));
    expect(await codeOf(launch())).toBe("denied");
    rmSync(ours("work.ext4"));
    writeFileSync(ours("work.ext4"), "root's", { mode: 0o666 });
    expect(await codeOf(launch())).toBe("denied");
    expect(readFileSync(ours("work.ext4"), "utf8")).toBe("root's");
    chownSync(ours("work.ext4"), owner.uid, owner.gid);
    symlinkSync(join(bed.root, "etc/install.toml"), ours("console.log"));
    expect(await codeOf(launch())).toBe("denied");
    expect(readFileSync(join(bed.root, "etc/install.toml"), "utf8")).not.toContain("console");
    rmSync(ours("console.log"));
    await launch();
  });

  test("of another control group is not signalled, whatever it is called", async () => {
    const named = spawn("perl", ["-e", '$0 = "firecracker"; $| = 1; print "."; sleep 600'], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((resolve) => named.stdout?.once("data", resolve));
    expect(await codeOf(bed.client.call("machine.signal", { vm, signal: "KILL" }))).toBe("precondition");
    await bed.client.call("machine.end", { vm });
    const foreign = join(bed.places.cgroups, "banger", bed.newVm());
    mkdirSync(foreign, { recursive: true });
    writeFileSync(join(foreign, "cgroup.procs"), String(named.pid));
    expect(await codeOf(bed.client.call("machine.signal", { vm, signal: "KILL" }))).toBe("precondition");
    await bed.client.call("machine.end", { vm });
    expect(identify(named.pid ?? 0)).toBeDefined();
    await ended(named);
  });
});
