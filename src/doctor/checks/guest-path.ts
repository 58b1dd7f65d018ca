/** The check of the way that guests' packets take through this host. */
import { type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, fixable, pass, warn } from "../verdict.ts";

const took = (ms: number | null) => (ms === null ? "no answer" : `answered in ${ms.toFixed(0)} ms`);

const guestPath = defineCheck({
  id: "guest-path",
  group: "network",
  modes: ["system"],
  symptoms: [
    "a guest with `--nat` reaches nothing, and everything else here is well",
    "the host cannot reach a guest by its address",
  ],
  meaning:
    "A ping to the bridge and a query for a name are sent the way that a guest's go: through a TAP on the bridge, banger's and everybody else's firewall, and NAT. The TAP is there for the moment; so is, where no VM has NAT, what the first such VM would have banger do to the host (`net.ipv4.ip_forward`, a way through other firewalls).",
  cure: '`sudo banger system restart` makes the bridge\'s firewall anew, and opens others for VMs with NAT. If the name server is not reached even then: another firewall may refuse what is forwarded (`sudo nft list ruleset`), or the server may be this host itself, which guests do not reach: name another in config.toml, `default_dns = "9.9.9.9"`.',
  dependsOn: ["bridge", "forwarding"],
  needs: ["guestPath", "nameServer", "settings"],
  judge: ({ facts: { guestPath, nameServer, settings }, advice }) => {
    const { server, bridgeMs, serverMs } = guestPath;
    const evidence: Evidence[] = [
      { looked: "a ping from a TAP to the bridge", found: took(bridgeMs) },
      ...(server === undefined || bridgeMs === null
        ? []
        : [{ looked: `a query by NAT to ${server}`, found: took(serverMs) }]),
    ];
    if (bridgeMs === null) {
      const fix = advice.fix("root", "banger", "system", "restart");
      return fixable(
        fail(
          "the bridge does not answer what a guest sends",
          [fix.line, "sudo nft list ruleset"],
          ...evidence,
        ),
        fix,
      );
    }
    if (server === undefined) return pass("a guest's packets reach the bridge", ...evidence);
    if (serverMs !== null)
      return pass(`a guest's packets reach the bridge, and ${server} by NAT`, ...evidence);
    if (nameServer.answerMs === undefined)
      return warn(
        `a guest's packets reach the bridge; not known beyond, because ${server} does not answer this host either`,
        ["see name-server"],
        ...evidence,
      );
    return fail(
      `a guest with NAT gets no answer from ${server}, which answers this host`,
      [
        advice.asRoot("banger system restart"),
        advice.asRoot("nft list ruleset"),
        `in ${settings.path}: default_dns = "9.9.9.9"  # if ${server} is this host itself`,
      ],
      ...evidence,
    );
  },
});

export const guestPathChecks: readonly Check[] = [guestPath];
