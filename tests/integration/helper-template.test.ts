/** Machines that go on from a template or a checkpoint, as the helper sees them: whose files they are, and what a VMM can do to them. Needs root. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { VmId } from "../../src/base/base.ts";
import { launchIn, launchMachine } from "../../src/helper/machine/launch.ts";
import type { Saved } from "../../src/rpc/rpc.ts";
import { type Bed, codeOf, isRoot, makeBed, owner, ownersFile } from "./helper-fixture.ts";

if (!isRoot) process.stdout.write("helper-template: left out, it needs root\n");

const key = "4d".repeat(16);
const id = "5e6f7a8b-9c0d-4e1f-8a2b-3c4d5e6f7a8b";
/** What a machine may go on from, where its files are, and what is no name of one. */
const kinds = [
  {
    ...{ kind: "template", directory: "templates", name: key },
    odd: ["", "..", "../vms", `${key}/..`, key.toUpperCase(), `${key}0`, `${key}\n`, `/${key}`, id],
  },
  {
    ...{ kind: "checkpoint", directory: "checkpoints", name: id },
    odd: ["", "..", "../vms", `${id}/..`, id.toUpperCase(), `${id}0`, `${id}\n`, `/${id}`, key],
  },
] as const;

/**
 * Like jailer: joins its control group, enters a mount namespace in which the jail is bound over itself, becomes the owner.
 * Then, as a Firecracker that its guest has taken over, does to the template what it can, and says what came of it.
 */
const jailer = `#!/usr/bin/perl
use Socket; use Fcntl; $| = 1;
my %o = @ARGV;
my $group = "CGROUPS/$o{'--parent-cgroup'}/$o{'--id'}";
mkdir "CGROUPS/$o{'--parent-cgroup'}"; mkdir $group;
open my $f, ">", "$group/cgroup.procs" or die; print $f $$; close $f or die;
my $root = "$o{'--chroot-base-dir'}/firecracker/$o{'--id'}/root";
# unshare(2), mount(2): MS_SLAVE | MS_REC, MS_BIND | MS_REC
syscall(272, 0x20000) == 0 or die "unshare: $!";
my ($none, $slash, $dir) = (0, "/\\0", "$root\\0");
syscall(165, $none, $slash, $none, 0x84000, $none) == 0 or die "slave: $!";
syscall(165, $dir, $dir, $none, 0x5000, $none) == 0 or die "bind: $!";
chroot $root or die; chdir "/";
mkdir "run", 0700;
chown $o{'--uid'}, $o{'--gid'}, "/", "/run" or die; chmod 0700, "/";
$( = $) = "$o{'--gid'} $o{'--gid'}"; $< = $> = $o{'--uid'}; $0 = "firecracker";
for my $name ("memory", "state") {
  my $path = "/template.$name";
  open my $r, "<", $path or next;
  print "$name: ", scalar <$r>, "\\n";
  for ([writing => sub { open my $w, "+<", $path }], [chmod => sub { chmod 0666, $path }], [truncate => sub { truncate $path, 0 }],
    [times => sub { utime 1, 1, $path }], [unlink => sub { unlink $path }], [rename => sub { rename $path, "/moved" }],
    ["a link" => sub { link $path, "/second" }]) {
    my ($what, $act) = @$_;
    print "$what: ", ($act->() ? "done" : "$!"), "\\n";
  }
}
socket my $s, PF_UNIX, SOCK_STREAM, 0; bind $s, sockaddr_un("/run/firecracker.socket") or die; listen $s, 8;
sleep 600;
`;

describe.if(isRoot).each(kinds)(
  "a machine that goes on from a $kind",
  ({ kind, directory, name: own, odd }) => {
    let bed: Bed;
    let vm: VmId;
    beforeEach(async () => {
      bed = await makeBed();
      vm = bed.newVm();
      program("jailer", jailer.replaceAll("CGROUPS", bed.places.cgroups));
      program("firecracker", "");
      for (const name of ["memory", "state"]) {
        ownersFile(template(name), 1);
        writeFileSync(template(name), `the ${name}`);
      }
    });
    afterEach(async () => {
      await bed.client.call("machine.end", { vm });
      await bed.close();
    });

    function program(name: string, text: string) {
      writeFileSync(join(bed.root, "bin", name), text, { mode: 0o755 });
      chmodSync(join(bed.root, "bin", name), 0o755);
    }
    const template = (name: string) => join(bed.places.state, directory, own, name);
    const saved = (name: string) => (kind === "template" ? { template: name } : { checkpoint: name });
    const launch = (more: { saved?: Saved; home?: "vms" | "templates" } = { saved: saved(own) }) => {
      const { kernel, initramfs } = bed;
      const asked = { vm, kernel, initramfs, vcpu: 1, memoryMiB: 128, ...more };
      const device = { major: 7, minor: 250 };
      return launchIn(
        bed.site,
        launchMachine.validate(asked, bed.site),
        device,
        new AbortController().signal,
      );
    };
    const said = () =>
      readFileSync(join(bed.places.state, "vms", vm, "console.log"), "utf8")
        .trim()
        .split("\n");
    const identity = (name: string) => {
      const { ino, mode, uid, nlink, size, mtimeMs, ctimeMs } = statSync(template(name));
      return { ino, mode, uid, nlink, size, mtimeMs, ctimeMs };
    };

    test("has its files in the jail, and can do nothing to them, though they are its user's", async () => {
      const before = ["memory", "state"].map(identity);
      await launch();
      const refused = ["writing", "chmod", "truncate", "times"].map(
        (what) => `${what}: Read-only file system`,
      );
      const busy = ["unlink", "rename"].map((what) => `${what}: Device or resource busy`);
      const each = [...refused, ...busy, "a link: Invalid cross-device link"];
      expect(said()).toEqual(["memory: the memory", ...each, "state: the state", ...each]);
      expect(readFileSync(template("memory"), "utf8")).toBe("the memory");
      // Not even a time has changed: who knows the file need not read it again.
      expect(["memory", "state"].map(identity)).toEqual(before);
    });

    test("leaves no mount anywhere, and its end no file", async () => {
      await launch();
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(bed.root);
      const inJail = (name: string) => join(bed.places.jails, "firecracker", vm, "root", name);
      // A place for the mount, of root's, and empty where there is none.
      expect(lstatSync(inJail("template.memory"))).toMatchObject({ uid: 0, size: 0 });
      await bed.client.call("machine.end", { vm });
      expect(readdirSync(join(bed.places.jails, "firecracker"))).toEqual([]);
      expect(readFileSync(template("memory"), "utf8")).toBe("the memory");
    });

    test("goes on when that is removed meanwhile", async () => {
      await launch();
      rmSync(join(bed.places.state, directory), { recursive: true });
      await bed.client.call("machine.end", { vm });
      expect(existsSync(join(bed.places.jails, "firecracker", vm))).toBe(false);
    });

    test("is not launched with files that are not the owner's own, and leaves no jail then", async () => {
      const secret = join(bed.root, "secret");
      writeFileSync(secret, "root's", { mode: 0o644 });
      const bad: Record<string, (path: string) => void> = {
        "a link": (path) => symlinkSync(secret, path),
        "another user's": (path) => writeFileSync(path, "x", { mode: 0o666 }),
        "a file with a second name": (path) => {
          ownersFile(path, 1);
          linkSync(path, `${path}.second`);
        },
        "a directory": (path) => mkdirSync(path),
        "a FIFO": (path) => {
          execFileSync("mkfifo", [path]);
          chownSync(path, owner.uid, owner.gid);
        },
      };
      for (const name of ["memory", "state"]) {
        for (const [what, make] of Object.entries(bad)) {
          renameSync(template(name), template("kept"));
          make(template(name));
          expect({ name, what, code: await codeOf(launch()) }).toEqual({ name, what, code: "denied" });
          rmSync(template(name), { recursive: true });
          renameSync(template("kept"), template(name));
        }
        renameSync(template(name), template("kept"));
        expect(await codeOf(launch())).toBe("not_found");
        renameSync(template("kept"), template(name));
      }
      rmSync(join(bed.places.state, directory), { recursive: true });
      mkdirSync(join(bed.root, "elsewhere"));
      symlinkSync(join(bed.root, "elsewhere"), join(bed.places.state, directory));
      expect(await codeOf(launch())).toBe("denied");
      expect(existsSync(join(bed.places.jails, "firecracker", vm))).toBe(false);
    });

    test("names it by its key or id alone, and one of them", async () => {
      const { kernel, initramfs } = bed;
      const both = { template: key, checkpoint: id };
      for (const named of [...odd.map((name) => saved(name)), both, {}, { path: template("") }]) {
        const asked = { vm, kernel, initramfs, vcpu: 1, memoryMiB: 128, saved: named };
        expect({ named, code: await codeOf(bed.client.call("machine.launch", asked as never)) }).toEqual({
          named,
          code: "bad_request",
        });
      }
    });

    test("that is being made is found beside the templates, and boots without any", async () => {
      for (const name of ["work.ext4", "root.cow"])
        ownersFile(join(bed.places.state, "templates", vm, name), 1 << 20);
      await launch({ home: "templates" });
      const work = join(bed.places.jails, "firecracker", vm, "root/work.ext4");
      expect(statSync(work).ino).toBe(statSync(join(bed.places.state, "templates", vm, "work.ext4")).ino);
      expect(existsSync(join(bed.places.jails, "firecracker", vm, "root/template.memory"))).toBe(false);
    });
  },
);
