/** What banger needs of the host, and why: each entry is a Debian package and a way to see that it is there. */

/** @typedef {{ name: string, why: string, programs: string[] }} HostPackage */

/** @type {HostPackage[]} */
export const productPackages = [
  { name: "qemu-system-x86", why: "runs the virtual machines", programs: ["qemu-system-x86_64"] },
  { name: "mmdebstrap", why: "builds the guest image from Debian's packages", programs: ["mmdebstrap"] },
  { name: "e2fsprogs", why: "makes the guest's file systems", programs: ["mke2fs", "e2fsck", "resize2fs"] },
  { name: "uidmap", why: "lets an ordinary user build images", programs: ["newuidmap"] },
  { name: "git", why: "reads the repository that goes into the VM", programs: ["git"] },
  { name: "openssh-client", why: "banger vm ssh", programs: ["ssh"] },
];

/** @type {HostPackage[]} */
export const buildPackages = [
  {
    name: "musl-tools",
    why: "compiles the guest's init and agent, static and small",
    programs: ["musl-gcc"],
  },
  { name: "gcc", why: "compiles the native parts", programs: ["gcc"] },
  { name: "libc6-dev", why: "compiles the native parts", programs: [] },
  { name: "make", why: "compiles the native parts", programs: ["make"] },
];

/** @type {HostPackage[]} */
export const testPackages = [
  { name: "shellcheck", why: "checks the shell scripts", programs: ["shellcheck"] },
  {
    name: "strace",
    why: "watches what hostile repositories run, and injects failures",
    programs: ["strace"],
  },
  { name: "libfaketime", why: "lets the tests' clock jump", programs: [] },
  { name: "qemu-utils", why: "a second opinion on qcow2 files", programs: ["qemu-img"] },
  { name: "cpio", why: "a second opinion on the initramfs", programs: ["cpio"] },
  { name: "iproute2", why: "makes the namespaces of network tests", programs: ["ip"] },
  { name: "openssh-server", why: "the tests' ssh comparisons", programs: ["sshd"] },
];
