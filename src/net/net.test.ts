import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { newVmId, VmId } from "../base/ids.ts";
import {
  type Attachment,
  allocateAddress,
  bridgeAlias,
  ebtablesAdmission,
  gateInsertion,
  gatesOf,
  guestAddressProblem,
  iptablesPlan,
  iptablesRemoval,
  lastFreeAddress,
  macOf,
  type Network,
  nftPlan,
  nftRemoval,
  nftUpdate,
  parseBridgeAlias,
  parseChains,
  parseTapAlias,
  subnetOf,
  tapAlias,
} from "./net.ts";

const network: Network = {
  bridge: "br-fc",
  address: "172.16.0.1",
  prefix: 24,
  tapPoolSize: 4,
  reachable: [],
};
const vm = VmId.parse("0123abcd-4567-4890-8abc-0123456789ab");
const attachment: Attachment = { vm, tap: "tap-pool-3", address: "172.16.0.2", mac: macOf(vm), nat: true };

const octet = fc.integer({ min: 0, max: 255 });
const address = fc
  .tuple(fc.integer({ min: 1, max: 223 }), octet, octet, octet)
  .map((parts) => parts.join("."));
const attachments = fc
  .uniqueArray(fc.tuple(fc.uuid({ version: 4 }), fc.integer({ min: 2, max: 254 }), fc.boolean()), {
    selector: ([, host]) => host,
    maxLength: 40,
  })
  .map((list) =>
    list.map(([id, host, nat], index): Attachment => {
      const of = VmId.parse(id);
      return { vm: of, tap: `tap-pool-${index}`, address: `172.16.0.${host}`, mac: macOf(of), nat };
    }),
  );

describe("addresses", () => {
  test("the first guest gets .2, and the lowest free one comes next", () => {
    expect(allocateAddress(network, [])).toBe("172.16.0.2");
    expect(allocateAddress(network, ["172.16.0.2", "172.16.0.4"])).toBe("172.16.0.3");
  });

  test("a guest that nobody uses has the one that a VM gets last, and none where a VM could want it", () => {
    expect(lastFreeAddress(network, ["172.16.0.254", "172.16.0.2"])).toBe("172.16.0.253");
    expect(lastFreeAddress({ address: "10.0.0.1", prefix: 30 }, [])).toBeUndefined();
    expect(lastFreeAddress({ address: "10.0.0.1", prefix: 29 }, ["10.0.0.6"])).toBe("10.0.0.5");
  });

  test("every address of a subnet is given once, and none that is not a guest's", () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 24, max: 32 }), (own, prefix) => {
        const place = { address: own, prefix };
        const taken = new Set<string>();
        const room = prefix >= 31 ? 2 ** (32 - prefix) - 1 : 2 ** (32 - prefix) - 2;
        // The bridge's own may be the name of the subnet or its broadcast address: a slip that costs no guest's.
        for (let count = 0; count < room - 1; count += 1) taken.add(allocateAddress(place, taken));
        expect(taken.size).toBe(Math.max(0, room - 1));
        expect(taken.has(own)).toBe(false);
        for (const each of taken) expect(subnetOf({ address: each, prefix })).toBe(subnetOf(place));
      }),
      { numRuns: 60 },
    );
  });

  test("a full subnet is an error that says what to do", () => {
    const small = { address: "10.0.0.1", prefix: 30 };
    expect(allocateAddress(small, [])).toBe("10.0.0.2");
    expect(() => allocateAddress(small, ["10.0.0.2"])).toThrow("the subnet 10.0.0.0/30 has no free address");
    expect(() => allocateAddress({ address: "10.0.0.1", prefix: 32 }, [])).toThrow("no free address");
  });

  test("what a guest cannot have is told apart", () => {
    expect(guestAddressProblem(network, "172.16.0.2")).toBeUndefined();
    expect(guestAddressProblem(network, "172.16.0.1")).toContain("bridge's own");
    expect(guestAddressProblem(network, "172.16.0.0")).toContain("whole subnet");
    expect(guestAddressProblem(network, "172.16.0.255")).toContain("broadcast");
    expect(guestAddressProblem(network, "172.16.1.2")).toContain("not in the bridge's subnet 172.16.0.0/24");
  });
});

describe("names", () => {
  test("a MAC address is local, unicast, and the same for a VM's whole life", () => {
    expect(macOf(vm)).toBe("02:01:23:ab:cd:45");
    expect(macOf(newVmId())).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  });

  test("a TAP's alias carries all that the firewall needs", () => {
    fc.assert(
      fc.property(attachments, (list) => {
        for (const each of list) expect(parseTapAlias(each.tap, tapAlias(each))).toEqual(each);
      }),
    );
  });

  test("what is not banger's is not taken for it", () => {
    for (const [name, alias] of [
      ["tap-pool-0", undefined],
      ["tap-pool-0", "idle"],
      ["tap-pool-0", "banger"],
      ["tap-pool-0", `banger:${vm}`],
      ["tap-pool-0", `${tapAlias(attachment)} more`],
      ["tap-pool-x", tapAlias(attachment)],
      ["vnet0", "banger:idle"],
    ] as const) {
      expect(parseTapAlias(name, alias)).toBeUndefined();
    }
    expect(parseTapAlias("tap-pool-0", "banger:idle")).toBe("idle");
    expect(parseBridgeAlias("bangers")).toBeUndefined();
    for (const egress of [false, true]) {
      for (const routing of [false, true]) {
        expect(parseBridgeAlias(bridgeAlias({ egress, routing }))).toEqual({ egress, routing });
      }
    }
  });
});

const accepted = (program: string, args: string[], input: string) => {
  const { status, stderr } = spawnSync("unshare", ["-rn", program, ...args], { encoding: "utf8", input });
  return { status, stderr };
};
const fine = { status: 0, stderr: "" };
const hasNft = spawnSync("unshare", ["-rn", "nft", "list", "ruleset"]).status === 0;
if (!hasNft) console.warn("firewall texts are not parsed: nft, or a namespace to run it in, is missing");

describe("the firewall", () => {
  test("VMs are elements of sets: the rules do not change with them", () => {
    const rules = (text: string) => text.replaceAll(/elements = \{.*?\}/g, "");
    const one = nftPlan(network, [attachment], false);
    expect(rules(one)).toBe(rules(nftPlan(network, [], false)));
    expect(nftUpdate([attachment])).toBe(
      [
        "flush set bridge banger taps",
        `add element bridge banger taps { "tap-pool-3" comment "${vm}" }`,
        "flush set bridge banger pins",
        `add element bridge banger pins { "tap-pool-3" . 02:01:23:ab:cd:45 . 172.16.0.2 comment "${vm}" }`,
        "flush set inet banger taps",
        `add element inet banger taps { "tap-pool-3" comment "${vm}" }`,
        "flush set inet banger egress",
        `add element inet banger egress { 172.16.0.2 comment "${vm}" }`,
      ].join("\n"),
    );
  });

  test.if(hasNft)("nft takes the text for any list of VMs", () => {
    fc.assert(
      fc.property(attachments, fc.boolean(), (list, routing) => {
        const plan = nftPlan({ ...network, reachable: ["192.168.1.0/24", "10.0.0.0/8"] }, list, routing);
        expect(accepted("nft", ["-c", "-f", "-"], plan)).toEqual(fine);
        const all = [plan, nftUpdate(list), nftUpdate([]), nftRemoval()].join("\n");
        expect(accepted("nft", ["-f", "-"], all)).toEqual(fine);
      }),
      { numRuns: 8 },
    );
  });

  test("iptables' rules are in chains of banger's, and in one jump to each", () => {
    const plan = iptablesPlan(network, [attachment], "");
    const foreign = plan
      .split("\n")
      .filter((line) => !/^(\*|COMMIT|:BANGER-[A-Z]+ - |-A BANGER-[A-Z]+ |$)/.test(line));
    expect(foreign).toEqual([
      "-I PREROUTING 1 -j BANGER-PIN",
      "-I PREROUTING 1 -j BANGER-GUEST",
      "-I INPUT 1 -j BANGER-INPUT",
      "-I FORWARD 1 -j BANGER-FORWARD",
      "-I POSTROUTING 1 -j BANGER-NAT",
    ]);
  });

  test("what iptables has already is not added again, and all of it can be removed", () => {
    const plan = iptablesPlan(network, [attachment], "");
    const saved = plan.replaceAll(/^-I (\S+) 1 /gm, "-A $1 ");
    expect(iptablesPlan(network, [attachment], saved)).not.toMatch(/^-I /m);
    const removal = iptablesRemoval(saved);
    for (const [, chain] of plan.matchAll(/^:(\S+)/gm)) expect(removal).toContain(`-X ${chain}\n`);
    expect(removal).toContain("-D FORWARD -j BANGER-FORWARD\n");
    expect(iptablesRemoval("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")).toBe("");
  });

  test("ebtables drops by default what comes through a TAP", () => {
    expect(ebtablesAdmission(network, attachment)[0]).toEqual([
      "-t",
      "nat",
      "-N",
      "BANGER-tap-pool-3",
      "-P",
      "DROP",
    ]);
  });

  test("other firewalls are opened where they refuse what nobody accepts", () => {
    const chain = (family: string, table: string, name: string, more: object) => ({
      chain: { family, table, name, ...more },
    });
    const base = { type: "filter", hook: "forward", prio: 0 };
    const chains = parseChains([
      { metainfo: {} },
      chain("ip", "filter", "FORWARD", { ...base, policy: "accept" }),
      chain("ip", "filter", "DOCKER-USER", {}),
      chain("ip", "nat", "POSTROUTING", { ...base, type: "nat", hook: "postrouting" }),
      chain("inet", "mine", "fwd", { ...base, policy: "drop" }),
      chain("ip6", "filter", "FORWARD", { ...base, policy: "drop" }),
      chain("inet", "firewalld", "filter_FORWARD", { ...base, policy: "accept" }),
      chain("ip", "docker-bridges", "filter-FORWARD", { ...base, policy: "accept" }),
      chain("inet", "banger", "forward", { ...base, policy: "accept" }),
    ]);
    expect(gateInsertion("br-fc", gatesOf(chains)).split("\n")).toEqual([
      'insert rule ip filter FORWARD iifname "br-fc" accept comment "banger"',
      'insert rule ip filter FORWARD oifname "br-fc" accept comment "banger"',
      'insert rule inet mine fwd iifname "br-fc" accept comment "banger"',
      'insert rule inet mine fwd oifname "br-fc" accept comment "banger"',
    ]);
  });
});
