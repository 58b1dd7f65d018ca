/** Which firewall the host has, and banger's part of it brought in line with who is attached. */
import { BangerError } from "../../base/base.ts";
import {
  type Attachment,
  ebtablesAdmission,
  ebtablesRemoval,
  ip6tablesPlan,
  iptablesPlan,
  iptablesRemoval,
  isPinned,
  type Network,
  nftAdmission,
  nftMark,
  nftMarked,
  nftPins,
  nftPlan,
  nftRemoval,
  nftUpdate,
  ruleComments,
} from "../../net/net.ts";
import { applyNft, listNft, type RunResult, run, runChecked } from "../../sys/sys.ts";

export interface Wanted {
  network: Network;
  attachments: readonly Attachment[];
  /** Banger switched the host's forwarding on. */
  routing: boolean;
}

export interface Firewall {
  kind: "nft" | "iptables";
  /** What it cannot keep guests from, for people to read. */
  gaps: readonly string[];
  /** All rules anew. */
  replace(wanted: Wanted): Promise<void>;
  /** As replace, but quicker where there is nothing to repair. */
  ensure(wanted: Wanted): Promise<void>;
  /** One of the attachments is new, with its TAP still down, or has got NAT. */
  admit(wanted: Wanted, attachment: Attachment, fresh: boolean): Promise<void>;
  /** Only who is attached has changed; these TAPs are no VM's any more, and down. */
  update(wanted: Wanted, released: readonly string[]): Promise<void>;
  remove(taps: readonly string[]): Promise<void>;
}

const nft: Firewall = {
  kind: "nft",
  gaps: [],
  replace: ({ network, attachments, routing }) => applyNft(nftPlan(network, attachments, routing)),
  async ensure(wanted) {
    const mark = nftMark(wanted.network, wanted.routing);
    for (const command of nftMarked) {
      if (!ruleComments((await listNft(command)) ?? []).includes(mark)) return nft.replace(wanted);
    }
    const admissions = wanted.attachments.map(nftAdmission);
    if (admissions.length > 0) await applyNft(admissions.join("\n"));
  },
  async admit(wanted, attachment, fresh) {
    // Of a device of this name that its owner has removed: the next one could speak for that VM.
    const stale = fresh && isPinned((await listNft(nftPins)) ?? [], attachment.tap);
    await applyOrReplace(stale ? nftUpdate(wanted.attachments) : nftAdmission(attachment), wanted);
  },
  update: (wanted) => applyOrReplace(nftUpdate(wanted.attachments), wanted),
  remove: () => applyNft(nftRemoval()),
};

async function applyOrReplace(script: string, wanted: Wanted): Promise<void> {
  try {
    await applyNft(script);
  } catch {
    // The tables are gone: somebody loaded another rule set. All of it, then; what is wrong shows there again.
    await nft.replace(wanted);
  }
}

async function restore(family: "" | "6", script: string): Promise<void> {
  if (script === "") return;
  const program = `ip${family}tables-restore`;
  await runChecked(program, ["--noflush"], { input: Buffer.from(script) });
}

async function saved(family: "" | "6"): Promise<string> {
  return (await runChecked(`ip${family}tables-save`, [])).stdout.toString("utf8");
}

async function replaceTables({ network, attachments }: Wanted): Promise<void> {
  await restore("", iptablesPlan(network, attachments, await saved("")));
  if (await works("ip6tables")) await restore("6", ip6tablesPlan(network, attachments, await saved("6")));
}

async function pin(network: Network, attachment: Attachment): Promise<void> {
  await unpin(attachment.tap);
  for (const args of ebtablesAdmission(network, attachment)) await runChecked("ebtables", args);
}

async function unpin(tap: string): Promise<void> {
  for (const args of ebtablesRemoval(tap)) await run("ebtables", args);
}

function iptables(withEbtables: boolean): Firewall {
  const replace = async (wanted: Wanted) => {
    await replaceTables(wanted);
    if (!withEbtables) return;
    for (const attachment of wanted.attachments) {
      const { status } = await run("ebtables", ["-t", "nat", "-L", `BANGER-${attachment.tap}`]);
      if (status !== 0) await pin(wanted.network, attachment);
    }
  };
  return {
    kind: "iptables",
    gaps: withEbtables
      ? []
      : [
          "without nft and ebtables a guest's ARP is not checked, and its MAC address only together with its IPv4 address",
        ],
    replace,
    ensure: replace,
    async admit(wanted, attachment, fresh) {
      if (withEbtables && fresh) await pin(wanted.network, attachment);
      await replaceTables(wanted);
    },
    async update(wanted, released) {
      await replaceTables(wanted);
      if (withEbtables) for (const tap of released) await unpin(tap);
    },
    async remove(taps) {
      await restore("", iptablesRemoval(await saved("")));
      if (await works("ip6tables")) await restore("6", iptablesRemoval(await saved("6")));
      if (withEbtables) for (const tap of taps) await unpin(tap);
    },
  };
}

async function works(program: string): Promise<boolean> {
  const args = program === "ebtables" ? ["-t", "nat", "-L"] : ["-t", "raw", "-S"];
  return (await attempt(program, args))?.status === 0;
}

async function attempt(program: string, args: readonly string[]): Promise<RunResult | undefined> {
  return await run(program, args).catch(() => undefined);
}

let chosen: Promise<Firewall> | undefined;

/** nft where it works, iptables else. Decided once: half a firewall of each would be none. */
export function chooseFirewall(): Promise<Firewall> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<Firewall> {
  const tables = await listNft("list tables").catch(() => undefined);
  if (tables !== undefined) return nft;
  if (await works("iptables")) return iptables(await works("ebtables"));
  chosen = undefined;
  throw new BangerError("host_missing", "this host has no firewall that banger could use", {
    hint: "install it: sudo apt-get install nftables",
  });
}
