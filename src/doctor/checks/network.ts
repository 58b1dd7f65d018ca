/** Checks of the system mode's network, and of what of it is left over. */
import { type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, fixable, pass, skip, warn } from "../verdict.ts";

const bridge = defineCheck({
  id: "bridge",
  group: "network",
  modes: ["system"],
  symptoms: ["`there is an interface br-fc that is not banger's`", "`the subnet 172.16.0.0/24 is in use`"],
  meaning:
    "All VMs are on one bridge with a subnet of its own. banger touches no bridge of that name that is not its own, and takes no subnet that another interface (Docker, libvirt, a VPN) has.",
  cure: 'Choose another name or subnet in /etc/banger/config.toml (`bridge_name = "br-fc-2"`, `bridge_ip = "10.213.0.1"`), and `sudo banger system restart`.',
  dependsOn: [],
  needs: ["network"],
  judge: ({ facts: { network }, advice }) => {
    const { bridge, subnet, found, up, overlap } = network;
    const evidence: Evidence[] = [
      { looked: bridge, found: found === "banger's" ? `banger's, ${up ? "up" : "down"}` : found },
      {
        looked: subnet,
        found: overlap === undefined ? "nobody else's" : `${overlap.interface} has ${overlap.subnet}`,
      },
    ];
    const restart = advice.asRoot("banger system restart");
    if (found === "somebody else's")
      return fail(
        `there is an interface ${bridge} that is not banger's`,
        ['in /etc/banger/config.toml: bridge_name = "br-fc-2"', restart],
        ...evidence,
      );
    if (overlap !== undefined) {
      const remedy = ['in /etc/banger/config.toml: bridge_ip = "10.213.0.1"', restart];
      return (found === "nothing" ? fail : warn)(
        `${subnet} is in use: ${overlap.interface} has ${overlap.subnet}`,
        remedy,
        ...evidence,
      );
    }
    const fix = advice.fix("root", "banger", "system", "restart");
    if (found === "nothing")
      return fixable(fail(`the bridge ${bridge} is not there`, [restart], ...evidence), fix);
    if (!up) return fixable(fail(`the bridge ${bridge} is down`, [restart], ...evidence), fix);
    return pass(`${bridge}, ${subnet}`, ...evidence);
  },
});

const forwarding = defineCheck({
  id: "forwarding",
  group: "network",
  modes: ["system"],
  symptoms: [
    "a guest with `--nat` reaches nothing",
    "guests lose their way out when Docker or a firewall is restarted",
  ],
  meaning:
    "Guests with NAT go out only if the host forwards, and if no other firewall (Docker's FORWARD policy, ufw, firewalld) refuses. banger opens both with the first such VM; who starts or reloads a firewall later shuts it again.",
  cure: "`sudo banger system restart` opens both again, as does the next start of a VM. As root doctor looks into the firewalls too.",
  dependsOn: ["bridge"],
  needs: ["network", "inventory"],
  judge: ({ facts: { network, inventory }, advice }) => {
    const withNat = inventory.vms.filter(({ nat }) => nat).length;
    const evidence: Evidence[] = [
      { looked: "VMs with NAT", found: String(withNat) },
      { looked: "net.ipv4.ip_forward", found: network.forwards ? "1" : "0" },
      { looked: "neighbours", found: network.neighbours.join(", ") || "none" },
      ...(network.gates ?? []).map(({ chain, open }) => ({
        looked: chain,
        found: open ? "lets banger's bridge through" : "has no rule for it",
      })),
    ];
    if (withNat === 0) return pass("no VM has NAT: nothing to forward", ...evidence);
    const remedy = [advice.asRoot("banger system restart")];
    const fix = advice.fix("root", "banger", "system", "restart");
    if (!network.forwards)
      return fixable(
        fail("the host does not forward: guests with NAT reach nothing", remedy, ...evidence),
        fix,
      );
    const shut = (network.gates ?? []).filter(({ open }) => !open).map(({ chain }) => chain);
    if (shut.length > 0)
      return fixable(
        fail(`another firewall refuses what guests send: ${shut.join(", ")}`, remedy, ...evidence),
        fix,
      );
    if (network.gates === undefined)
      return pass("the host forwards; other firewalls are root's to see", ...evidence);
    return pass("the host forwards, and no other firewall refuses", ...evidence);
  },
});

/** States in which a VM has nothing in the kernel; in others it is on its way. */
const idle: readonly string[] = ["created", "stopped", "suspended", "error"];

const leftovers = defineCheck({
  id: "leftovers",
  group: "network",
  modes: ["system"],
  symptoms: [
    "`system uninstall` fails because a device is in use",
    "TAPs, device-mapper or loop devices of VMs that are gone",
  ],
  meaning:
    "TAPs, loop devices, device-mapper devices, jails and processes that are banger's and that no VM has: the daemon takes them away when it starts.",
  cure: "`sudo banger system restart`: the daemon compares its VMs with the kernel and removes what is nobody's. What stays is in use: `sudo lsof DEVICE`.",
  dependsOn: [],
  needs: ["inventory", "daemon"],
  judge: ({ facts: { inventory, daemon }, advice }) => {
    if (daemon.answer === undefined) return skip("the daemon does not say which VMs there are");
    const states = new Map<string, string>(daemon.answer.vms.map(({ id, state }) => [id, state]));
    const stale = inventory.vms.filter(({ vm }) => idle.includes(states.get(vm) ?? "stopped"));
    const what = ({ process, jail, cgroup, snapshot, overlayLoop, tap }: (typeof stale)[number]) =>
      [
        ...(process === null ? [] : [`process ${process.pid}`]),
        ...(snapshot ? ["root disk"] : []),
        ...(overlayLoop ? ["loop device"] : []),
        ...(tap === null ? [] : [tap]),
        ...(jail ? ["jail"] : []),
        ...(cgroup ? ["control group"] : []),
      ].join(", ");
    const evidence: Evidence[] = [
      {
        looked: "the helper's inventory",
        found: `${inventory.vms.length} VMs, ${inventory.baseLoops} base loops, ${inventory.idleTaps} idle TAPs`,
      },
      ...stale.map((each) => ({
        looked: each.vm,
        found: `${states.get(each.vm) ?? "no such VM"}: ${what(each)}`,
      })),
    ];
    if (stale.length === 0) return pass("nothing that no VM has", ...evidence);
    return fixable(
      warn(
        `something is left of VMs that do not run: ${stale.map(({ vm }) => vm.slice(0, 8)).join(", ")}`,
        [advice.asRoot("banger system restart")],
        ...evidence,
      ),
      advice.fix("root", "banger", "system", "restart"),
    );
  },
});

export const networkChecks: readonly Check[] = [bridge, forwarding, leftovers];
