/** The check of the name server that guests with NAT are given. */
import { type Check, defineCheck } from "../check.ts";
import { type Evidence, fixable, pass, warn } from "../verdict.ts";

const nameServer = defineCheck({
  id: "name-server",
  group: "network",
  modes: ["system"],
  symptoms: [
    "in a guest with `--nat` addresses are reached, names are not",
    "`Temporary failure in name resolution`",
  ],
  meaning:
    "Guests with NAT ask the name server that this host asks, or `default_dns` of config.toml. It is sent a query from here, and any answer counts; guest-path tries the way of guests to it.",
  cure: 'Start what gives this host its name servers (`sudo systemctl start systemd-resolved`), or name one in config.toml: `default_dns = "9.9.9.9"`. VMs get it with their next start.',
  dependsOn: [],
  needs: ["nameServer", "settings"],
  judge: ({ facts: { nameServer: facts, settings }, advice }) => {
    const { server, configured, answerMs, resolvedStopped } = facts;
    const evidence: Evidence[] = [
      { looked: "guests ask", found: server ?? "nobody" },
      { looked: "named by", found: configured ? settings.path : "this host" },
      {
        looked: "a query for deb.debian.org",
        found: answerMs === undefined ? "no answer" : `answered in ${answerMs.toFixed(0)} ms`,
      },
    ];
    const another = `in ${settings.path}: default_dns = "9.9.9.9"  # or another that is reached from here`;
    if (resolvedStopped) {
      const fix = advice.fix("root", "systemctl", "start", "systemd-resolved");
      return fixable(
        warn(
          "systemd-resolved does not run, and it is what this host asks for names",
          [fix.line, another],
          ...evidence,
        ),
        fix,
      );
    }
    if (server === undefined)
      return warn("this host names no name server that guests could ask", [another], ...evidence);
    if (answerMs === undefined)
      return warn(`the name server ${server} does not answer`, [another], ...evidence);
    return pass(`${server} answers`, ...evidence);
  },
});

export const nameServerChecks: readonly Check[] = [nameServer];
