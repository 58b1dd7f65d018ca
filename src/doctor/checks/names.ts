/** Checks of what makes NAME.vm lead to a VM. */
import { join } from "node:path";
import { anywhere, type Check, defineCheck } from "../check.ts";
import { fixable, pass, warn } from "../verdict.ts";

const names = defineCheck({
  id: "names",
  group: "network",
  modes: anywhere,
  symptoms: ["`NAME.vm` is not found, though the VM runs"],
  meaning:
    "The daemon has a name server for `.vm` on 127.0.0.1. In system mode systemd-resolved is told to ask it; other resolvers, and all of them in user mode, are yours to tell.",
  cure: "[dns-routing.md](dns-routing.md) has a recipe for each resolver. ssh needs none of it: `banger ssh-config --install`.",
  dependsOn: [],
  needs: ["daemon"],
  judge: ({ facts: { daemon }, place }) => {
    const told = daemon.answer?.status.names;
    if (told === undefined)
      return pass("served while the daemon runs", { looked: place.paths.socket, found: "no answer" });
    const { server, routed } = told;
    const evidence = { looked: "name server", found: server ?? "none" };
    if (server === null) return warn("names of VMs are not served", ["banger daemon logs"], evidence);
    if (place.mode === "user") return pass(`NAME.vm at ${server}, for resolvers that are told`, evidence);
    if (routed) return pass(`NAME.vm at ${server}, which systemd-resolved asks`, evidence);
    const remedy = ["tell your resolver: docs/dns-routing.md", "for ssh alone: banger ssh-config --install"];
    return warn(`NAME.vm at ${server}, but there is no systemd-resolved to ask it`, remedy, evidence);
  },
});

const sshConfig = defineCheck({
  id: "ssh-config",
  group: "network",
  modes: anywhere,
  symptoms: ["`ssh NAME.vm` says `No such file or directory`, or that the host key is not known"],
  meaning:
    "What `banger ssh-config` has written names the banger that connects, and the keys of one daemon: it is not right any more when that banger has moved, or the system services were installed or removed.",
  cure: "`banger ssh-config` writes it anew; `banger doctor --fix` calls it.",
  dependsOn: [],
  needs: ["sshConfig"],
  judge: ({ facts: { sshConfig }, place, advice }) => {
    const { path, exists, program, programThere, knownHosts } = sshConfig;
    if (!exists) {
      const evidence = { looked: path, found: "not there" };
      return pass("not asked for; with banger ssh-config --install: ssh NAME.vm", evidence);
    }
    const evidence = [
      { looked: path, found: program ?? "no ProxyCommand" },
      { looked: "its known hosts", found: knownHosts ?? "none" },
    ];
    const outOfDate = (summary: string) =>
      fixable(warn(summary, ["banger ssh-config"], ...evidence), advice.fix("you", "banger", "ssh-config"));
    if (program === undefined || !programThere)
      return outOfDate(`ssh NAME.vm starts a banger that is not there: ${program ?? "none"}`);
    if (knownHosts !== join(place.paths.state, "ssh", "known_hosts"))
      return outOfDate("ssh NAME.vm uses another daemon's keys");
    return pass("ssh NAME.vm leads to this daemon's VMs", ...evidence);
  },
});

export const nameChecks: readonly Check[] = [names, sshConfig];
