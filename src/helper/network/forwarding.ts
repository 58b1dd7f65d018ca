/**
 * What the host itself must allow before guests reach the internet: forwarding, and other firewalls that would refuse.
 * Done for the first VM with NAT, taken back after the last.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { BangerError } from "../../base/base.ts";
import {
  type Attachment,
  type BaseChain,
  bridgeAlias,
  dockerIsThere,
  gateInsertion,
  gatesOf,
  parseChains,
  ruleHandles,
} from "../../net/net.ts";
import { applyNft, changeLink, listNft, run, runChecked } from "../../sys/sys.ts";
import { chooseFirewall } from "./firewall.ts";
import { type Bridge, type NetworkPlace, readNetwork, requireBridge } from "./network.ts";

const setting = "/proc/sys/net/ipv4/ip_forward";

/** Tables of legacy iptables in use; nft does not see them. */
const legacyTables = "/proc/net/ip_tables_names";

function forward(on: boolean): void {
  try {
    writeFileSync(setting, on ? "1" : "0");
  } catch (error) {
    throw new BangerError("denied", `forwarding cannot be switched ${on ? "on" : "off"}: ${setting}`, {
      hint: "switch it on for good: echo net.ipv4.ip_forward=1 | sudo tee /etc/sysctl.d/60-forward.conf && sudo sysctl --system",
      cause: error,
    });
  }
}

/** Idempotent. The bridge's alias remembers what was done, from before it is. */
export async function admitEgress(place: NetworkPlace, attachments: readonly Attachment[]): Promise<void> {
  const bridge = requireBridge(readNetwork(place), place.bridge);
  const firewall = await chooseFirewall();
  const mark = (routing: boolean) =>
    changeLink(bridge.index, { alias: bridgeAlias({ egress: true, routing }) });
  if (!bridge.egress) mark(bridge.routing);
  if (firewall.kind === "nft") await openGates(place.bridge);
  if (readFileSync(setting, "utf8").trim() !== "0") return;
  mark(true);
  await firewall.replace({ network: place, attachments, routing: true });
  forward(true);
}

/** Idempotent. */
export async function withdrawEgress(place: NetworkPlace, attachments: readonly Attachment[]): Promise<void> {
  const { bridge } = readNetwork(place);
  if (bridge === undefined || !bridge.egress) return;
  const chains = await forwardingChains();
  if (bridge.routing) {
    await stopForwarding(chains);
    changeLink(bridge.index, { alias: bridgeAlias({ egress: true, routing: false }) });
    await (await chooseFirewall()).replace({ network: place, attachments, routing: false });
  }
  await closeGates(bridge.name, parseChains(chains));
  changeLink(bridge.index, { alias: bridgeAlias({ egress: false, routing: false }) });
}

/** As withdrawEgress, for a bridge that is about to be removed, with banger's own rules. */
export async function forsakeEgress(bridge: Bridge): Promise<void> {
  if (!bridge.egress) return;
  const chains = await forwardingChains();
  if (bridge.routing) await stopForwarding(chains);
  await closeGates(bridge.name, parseChains(chains));
}

/** Where nft is not in use there are none that it knows. */
async function forwardingChains(): Promise<readonly unknown[]> {
  return (await chooseFirewall()).kind === "nft" ? ((await listNft("list chains")) ?? []) : [];
}

async function stopForwarding(chains: readonly unknown[]): Promise<void> {
  if (!(await dockerRelies(chains))) forward(false);
}

/** Docker that finds forwarding switched on leaves it so, and needs it from then on. */
async function dockerRelies(chains: readonly unknown[]): Promise<boolean> {
  if (dockerIsThere(chains)) return true;
  const programs = chains.length === 0 ? ["iptables"] : usesLegacy() ? ["iptables-legacy"] : [];
  for (const program of programs) {
    const { stdout } = await run(program, ["-S", "FORWARD"]);
    if (stdout.includes("DOCKER")) return true;
  }
  return false;
}

async function openGates(bridge: string): Promise<void> {
  const chains = parseChains((await listNft("list chains")) ?? []);
  const closed: BaseChain[] = [];
  for (const gate of gatesOf(chains)) if ((await ownRules(gate)).length === 0) closed.push(gate);
  if (closed.length > 0) await applyNft(gateInsertion(bridge, closed));
  if (chains.some(({ table }) => table === "firewalld") && !(await inZone(bridge))) {
    // Without a zone of its own it is in the default one. What that lets guests do, banger's rules refuse.
    await runChecked("firewall-cmd", ["--zone=trusted", `--change-interface=${bridge}`]);
  }
  if (usesLegacy()) {
    const { stdout } = await runChecked("iptables-legacy", ["-S", "FORWARD"]);
    if (stdout.toString("utf8").includes("--comment banger ")) return;
    for (const rule of legacyRules(bridge))
      await runChecked("iptables-legacy", ["-I", "FORWARD", "1", ...rule]);
  }
}

/** Of any zone; false also where firewalld's chain has another name: asking firewalld takes half a second. */
async function inZone(bridge: string): Promise<boolean> {
  const zones = (await listNft("list chain inet firewalld filter_FORWARD_ZONES")) ?? [];
  return JSON.stringify(zones).includes(JSON.stringify(bridge));
}

async function closeGates(bridge: string, chains: readonly BaseChain[]): Promise<void> {
  const removals: string[] = [];
  for (const chain of chains) {
    const { family, table, name } = chain;
    const handles = await ownRules(chain);
    removals.push(...handles.map((handle) => `delete rule ${family} ${table} ${name} handle ${handle}`));
  }
  if (removals.length > 0) await applyNft(removals.join("\n"));
  if (chains.some(({ table }) => table === "firewalld")) {
    await run("firewall-cmd", ["--zone=trusted", `--remove-interface=${bridge}`]);
  }
  if (chains.length > 0 && usesLegacy())
    for (const rule of legacyRules(bridge)) await run("iptables-legacy", ["-D", "FORWARD", ...rule]);
}

async function ownRules({ family, table, name }: BaseChain): Promise<number[]> {
  return ruleHandles((await listNft(`list chain ${family} ${table} ${name}`)) ?? []);
}

function usesLegacy(): boolean {
  return existsSync(legacyTables) && readFileSync(legacyTables, "utf8").split("\n").includes("filter");
}

function legacyRules(bridge: string): string[][] {
  const told = ["-m", "comment", "--comment", "banger", "-j", "ACCEPT"];
  return [
    ["-i", bridge, ...told],
    ["-o", bridge, ...told],
  ];
}
