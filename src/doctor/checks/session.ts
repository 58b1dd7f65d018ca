/** Checks of what a login session gives: variables, a runtime directory, a temporary one. */
import { longestSocketPath } from "../../vmm/vmm.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import { fail, pass } from "../verdict.ts";
import { evidenceOf, refusal } from "./directory-words.ts";

const environment = defineCheck({
  id: "environment",
  group: "storage",
  modes: anywhere,
  symptoms: ["`XDG_...=... is not an absolute path`", "`/etc/banger/install.toml cannot be used`"],
  meaning:
    "By /etc/banger/install.toml it is decided whether your daemon is the system's or your own, by XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_CACHE_HOME and XDG_RUNTIME_DIR where your own keeps things.",
  cure: "Unset the variable, or give it an absolute path; write install.toml anew: `sudo banger system install --owner USER`.",
  dependsOn: [],
  needs: [],
  judge: ({ place }) => {
    const evidence = Object.entries(place.env)
      .filter(([name]) => /^XDG_(CONFIG|STATE|CACHE)_HOME$|^XDG_RUNTIME_DIR$/.test(name))
      .map(([name, value]) => ({ looked: name, found: value ?? "" }));
    const told = { looked: "mode", found: `${place.mode}: ${place.reason}` };
    const { problem } = place;
    if (problem === undefined) return pass(`${place.mode} mode`, told, ...evidence);
    return fail(problem.message, problem.hint === undefined ? [] : [problem.hint], told, ...evidence);
  },
});

const runtime = defineCheck({
  id: "runtime",
  group: "storage",
  modes: anywhere,
  symptoms: [
    "`... is not a directory of yours`",
    "`the path ... is too long for a socket`",
    "the daemon is not found after `su` or `sudo -u`",
  ],
  meaning:
    "Sockets are in $XDG_RUNTIME_DIR/banger, or in /tmp/banger-runtime-UID where a session has no such variable (cron, `su`). The directory must be yours; a socket's path has at most 107 bytes.",
  cure: "Log in anew instead of `su`, or `export XDG_RUNTIME_DIR=/run/user/$(id -u)`; where there is no such directory `unset XDG_RUNTIME_DIR`.",
  dependsOn: [],
  needs: ["storage"],
  judge: ({ facts: { storage }, place }) => {
    const { runtime } = storage;
    const { XDG_RUNTIME_DIR } = place.env;
    const owner = place.mode === "system" ? place.install?.uid : place.uid;
    const set = place.mode === "user" && XDG_RUNTIME_DIR !== undefined && XDG_RUNTIME_DIR !== "";
    const evidence = [
      { looked: "XDG_RUNTIME_DIR", found: set ? XDG_RUNTIME_DIR : "not set" },
      ...evidenceOf("runtime", runtime),
    ];
    const remedy = set
      ? ["unset XDG_RUNTIME_DIR  # or: export XDG_RUNTIME_DIR=/run/user/$(id -u)"]
      : [`export XDG_RUNTIME_DIR=/run/user/$(id -u)`];
    if (place.mode === "system") {
      return runtime.exists
        ? pass(runtime.path, ...evidence)
        : fail(`${runtime.path} is not there`, ["sudo banger system restart"], ...evidence);
    }
    if (!runtime.isDirectory || (runtime.exists && runtime.uid !== owner))
      return fail(`${runtime.there} is not a directory of yours`, remedy, ...evidence);
    if (runtime.refused !== undefined && set && !runtime.there.startsWith(XDG_RUNTIME_DIR))
      return fail(`XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR} is not there`, remedy, ...evidence);
    if (runtime.refused !== undefined) return fail(`${refusal(runtime)}, for sockets`, remedy, ...evidence);
    const longest = `${runtime.path}/vms/${"0".repeat(36)}/agent.sock`;
    if (Buffer.byteLength(longest) > longestSocketPath)
      return fail(
        `${runtime.path} is too long a path for sockets`,
        ["export XDG_RUNTIME_DIR=/run/user/$(id -u)"],
        ...evidence,
      );
    return pass(runtime.path, ...evidence);
  },
});

const temporary = defineCheck({
  id: "temporary",
  group: "storage",
  modes: ["user"],
  symptoms: ["`failed to map segment from shared object`"],
  meaning:
    "banger unpacks a native library into the temporary directory to load it, which a mount with noexec forbids.",
  cure: "`export TMPDIR=$HOME/.cache` (a directory that is not mounted noexec), then `banger daemon stop`.",
  dependsOn: [],
  needs: ["storage"],
  judge: ({ facts: { storage } }) => {
    const { temporary } = storage;
    const evidence = evidenceOf("temporary", temporary);
    const elsewhere = ["export TMPDIR=$HOME/.cache", "banger daemon stop"];
    if (!temporary.exists || !temporary.isDirectory)
      return fail(`${temporary.path} is not a directory`, elsewhere, ...evidence);
    if (temporary.refused !== undefined) return fail(refusal(temporary), elsewhere, ...evidence);
    if (temporary.fileSystem.options.includes("noexec"))
      return fail(
        `${temporary.path} is mounted noexec: no library can be loaded from it`,
        elsewhere,
        ...evidence,
      );
    return pass(temporary.path, ...evidence);
  },
});

export const sessionChecks: readonly Check[] = [environment, runtime, temporary];
