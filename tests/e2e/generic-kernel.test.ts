/** A kernel without modules, and the generic one in particular: it boots, and has what containers ask for. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Banger } from "./fixture.ts";
import { builtKernel, howToBuild, installGeneric } from "./generic-kernel.ts";

const isBuilt = existsSync(builtKernel);
const why = isBuilt ? "" : ` (skipped: a kernel takes half an hour to build; ${howToBuild})`;
const banger = new Banger();
const exec = async (script: string) => banger.ok(["vm", "exec", "generic", "--", "sh", "-ec", script]);
let remove = () => {};

beforeAll(async () => {
  if (!isBuilt) return;
  await banger.image();
  const { image, ...installed } = installGeneric();
  remove = installed.remove;
  await banger.ok(["vm", "create", "--name", "generic", "--image", image, "--memory", "1G", "--nat"]);
});
afterAll(async () => {
  await banger.close();
  remove();
});

const given = test.skipIf(!isBuilt);

given(`it is the kernel that was built, and has no modules${why}`, async () => {
  const { release } = JSON.parse(readFileSync(join(builtKernel, "manifest.json"), "utf8"));
  expect(await exec("uname -r; ls /proc/modules 2> /dev/null || echo none")).toBe(`${release}\nnone\n`);
});

given(`nothing failed in the guest for want of a module${why}`, async () => {
  expect(await exec("systemctl is-system-running --wait || systemctl --failed")).toBe("running\n");
});

given(`entropy comes from the machine's device${why}`, async () => {
  expect(await exec("cat /sys/class/misc/hw_random/rng_current")).toBe("virtio_rng.0\n");
});

given(`overlays, loop devices and file systems are there without loading anything${why}`, async () => {
  const filesystems = (await exec("cut -f 2 /proc/filesystems")).split("\n");
  for (const name of ["ext4", "overlay", "squashfs", "fuse", "vfat", "iso9660", "cgroup2", "bpf"])
    expect(filesystems).toContain(name);
  await exec(`cd "$(mktemp -d)"; mkdir lower upper work merged; echo 1 > lower/file
    mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
    echo 2 > merged/file; grep 1 lower/file; grep 2 upper/file; umount merged
    truncate -s 8M disk; mke2fs -q disk; mount -o loop disk merged; umount merged`);
});

given(`bridges, veths and the firewall of containers work${why}`, async () => {
  await exec(`ip netns add box; ip link add bridge0 type bridge; ip link set bridge0 up
    ip link add outer type veth peer name inner netns box; ip link set outer master bridge0 up
    ip -n box address add 10.9.0.2/24 dev inner; ip -n box link set inner up
    ip address add 10.9.0.1/24 dev bridge0; ping -c 1 -W 5 10.9.0.2
    ip netns delete box; ip link delete bridge0`);
});

/** What moby's contrib/check-config.sh calls generally necessary, and of the optional what its networks and limits use. */
const forDocker = `
  NAMESPACES NET_NS PID_NS IPC_NS UTS_NS USER_NS TIME_NS KEYS POSIX_MQUEUE OVERLAY_FS SECCOMP SECCOMP_FILTER
  CGROUPS CGROUP_SCHED CGROUP_BPF CGROUP_PIDS CGROUP_FREEZER CGROUP_DEVICE CGROUP_CPUACCT CGROUP_HUGETLB CGROUP_PERF CPUSETS
  MEMCG BLK_CGROUP BLK_DEV_THROTTLING CFS_BANDWIDTH FAIR_GROUP_SCHED NET_CLS_CGROUP CGROUP_NET_PRIO
  VETH BRIDGE BRIDGE_NETFILTER BRIDGE_VLAN_FILTERING VXLAN IPVLAN MACVLAN DUMMY NF_NAT NF_TABLES NFT_COMPAT NFT_NAT NFT_MASQ
  IP_NF_FILTER IP_NF_MANGLE IP_NF_RAW IP_NF_NAT IP_NF_TARGET_MASQUERADE IP_NF_TARGET_REDIRECT
  IP6_NF_FILTER IP6_NF_MANGLE IP6_NF_RAW IP6_NF_NAT IP6_NF_TARGET_MASQUERADE
  NETFILTER_XT_MARK NETFILTER_XT_MATCH_ADDRTYPE NETFILTER_XT_MATCH_CONNTRACK NETFILTER_XT_MATCH_IPVS NETFILTER_XT_MATCH_BPF
  IP_VS IP_VS_NFCT IP_VS_PROTO_TCP IP_VS_PROTO_UDP IP_VS_RR
 
  NF_NAT_FTP NF_CONNTRACK_FTP NF_NAT_TFTP NF_CONNTRACK_TFTP EXT4_FS EXT4_FS_POSIX_ACL EXT4_FS_SECURITY EXT4_USE_FOR_EXT2`;

given(`what Docker looks for is built in, and control groups are of version 2 alone${why}`, async () => {
  const config = (await exec("zcat /proc/config.gz")).split("\n");
  const missing = forDocker
    .trim()
    .split(/\s+/)
    .filter((name) => !config.includes(`CONFIG_${name}=y`));
  expect(missing).toEqual([]);
  expect(config.filter((line) => line.endsWith("=m"))).toEqual([]);
  const controllers = (await exec("cat /sys/fs/cgroup/cgroup.controllers")).trim().split(" ");
  expect(controllers).toContainAllValues(["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "misc"]);
});
