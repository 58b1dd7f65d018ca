/**
 * Other firewalls of the host. An accept in banger's table does not overrule a drop in another one (Docker's FORWARD
 * policy, ufw, an administrator's own): guests with NAT get a rule at the top of each such chain, told by its comment.
 * What comes that far has passed banger's own rules.
 */
import { z } from "zod";

const Chain = z.looseObject({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  hook: z.string().optional(),
  type: z.string().optional(),
  policy: z.string().optional(),
});
const Rule = z.looseObject({ handle: z.int(), comment: z.string().optional() });

export interface BaseChain {
  family: string;
  table: string;
  name: string;
  policy: string;
}

/** Of `list chains` as JSON: those that decide on forwarded IPv4 packets, but for banger's own. */
export function parseChains(listing: readonly unknown[]): BaseChain[] {
  return listing.flatMap((entry) => {
    const { data } = z.looseObject({ chain: Chain }).safeParse(entry);
    if (data === undefined) return [];
    const { family, table, name, hook, type, policy } = data.chain;
    const decides = hook === "forward" && type === "filter" && (family === "ip" || family === "inet");
    return decides && table !== "banger" ? [{ family, table, name, policy: policy ?? "accept" }] : [];
  });
}

/**
 * Chains that refuse what nobody accepts: by policy, or iptables' FORWARD, where a rule at the end may do so.
 * firewalld's refuse too, but belong to it: it is asked instead.
 */
export function gatesOf(chains: readonly BaseChain[]): BaseChain[] {
  return chains.filter(
    ({ family, table, name, policy }) =>
      table !== "firewalld" &&
      (policy === "drop" || (family === "ip" && table === "filter" && name === "FORWARD")),
  );
}

export function dockerIsThere(listing: readonly unknown[]): boolean {
  return listing.some((entry) => {
    const { data } = z.looseObject({ chain: Chain }).safeParse(entry);
    return (
      data !== undefined && /^docker/i.test(`${data.chain.table} ${data.chain.name}`.replace(/^filter /, ""))
    );
  });
}

const comment = "banger";

/** Rules that iptables-nft also understands: no expression that it would call incompatible. */
function gateRules(bridge: string): string[] {
  return [
    `iifname "${bridge}" accept comment "${comment}"`,
    `oifname "${bridge}" accept comment "${comment}"`,
  ];
}

export function gateInsertion(bridge: string, gates: readonly BaseChain[]): string {
  return gates
    .flatMap(({ family, table, name }) =>
      gateRules(bridge).map((rule) => `insert rule ${family} ${table} ${name} ${rule}`),
    )
    .join("\n");
}

function rulesOf(listing: readonly unknown[]): z.infer<typeof Rule>[] {
  return listing.flatMap((entry) => {
    const { data } = z.looseObject({ rule: Rule }).safeParse(entry);
    return data === undefined ? [] : [data.rule];
  });
}

/** Of `list chain` as JSON: the handles of banger's rules in it. */
export function ruleHandles(listing: readonly unknown[]): number[] {
  return rulesOf(listing)
    .filter((rule) => rule.comment === comment)
    .map(({ handle }) => handle);
}

export function ruleComments(listing: readonly unknown[]): string[] {
  return rulesOf(listing).flatMap((rule) => rule.comment ?? []);
}
