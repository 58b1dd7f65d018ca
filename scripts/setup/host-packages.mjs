/** What banger needs of the host, and why: each entry is a Debian package and a way to see that it is there. */

/** @typedef {{ name: string, why: string, programs: string[], service?: string }} HostPackage `service`: one that would run from now on, and that nobody asked for. */

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
  { name: "systemd", why: "judges the services' units", programs: ["systemd-analyze"] },
  { name: "busybox", why: "a shell as small guests have it", programs: ["busybox"] },
  { name: "cpio", why: "a second opinion on the initramfs", programs: ["cpio"] },
  {
    name: "python3-pip",
    why: "fetches the real Firecracker for the emulated host",
    programs: ["python3", "pip3"],
  },
  {
    name: "nftables",
    why: "the firewall of the network tests, in namespaces of their own",
    programs: ["nft"],
  },
  {
    name: "iptables",
    why: "the other firewall of the network tests",
    programs: ["iptables", "iptables-legacy"],
  },
  { name: "ebtables", why: "as above, for frames", programs: ["ebtables"] },
  { name: "iproute2", why: "makes the network tests' namespaces", programs: ["ip", "bridge"] },
  {
    name: "docker-registry",
    why: "a real registry for the tests of image pull",
    programs: ["docker-registry"],
    // Open to everybody, on port 5000 of all addresses.
    service: "docker-registry.service",
  },
  { name: "skopeo", why: "puts images there, and into archives", programs: ["skopeo"] },
  { name: "golang-go", why: "fetches and reads other projects' test cases", programs: ["go"] },
  { name: "zstd", why: "a second opinion on zstd", programs: ["zstd"] },
  { name: "umoci", why: "a second opinion on layers laid over each other", programs: ["umoci"] },
  {
    name: "openssl",
    why: "makes certificates for the tests' https, and signs catalogs",
    programs: ["openssl"],
  },
  { name: "curl", why: "what install.sh downloads with", programs: ["curl"] },
  { name: "wget", why: "what it downloads with where there is no curl", programs: ["wget"] },
  { name: "procps", why: "finds what it has started", programs: ["pgrep"] },
  { name: "zstd", why: "packs bundles of images and kernels", programs: ["zstd"] },
  { name: "tmux", why: "a real terminal for the tests of banger tui", programs: ["tmux"] },
  { name: "rsync", why: "puts bundles onto another machine", programs: ["rsync"] },
  { name: "rclone", why: "puts bundles into object stores", programs: ["rclone"] },
  { name: "attr", why: "reads the extended attributes of what umoci unpacked", programs: ["getfattr"] },
  { name: "openssh-server", why: "the tests' ssh comparisons", programs: ["sshd"] },
  { name: "bash-completion", why: "finds completion scripts, as it does for users", programs: [] },
  { name: "zsh", why: "a shell that is completed in", programs: ["zsh"] },
  { name: "fish", why: "another", programs: ["fish"] },
  { name: "mandoc", why: "judges the manual pages", programs: ["mandoc"] },
];
