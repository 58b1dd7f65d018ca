/** Checks of the system services. */
import { commit, version } from "../../base/version.ts";
import { type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, fixable, pass, warn } from "../verdict.ts";

const restart = "banger system restart";
const restarting = ["banger", "system", "restart"] as const;
const install = (owner: string | undefined) => `banger system install --owner ${owner ?? "USER"}`;

const installation = defineCheck({
  id: "installation",
  group: "services",
  modes: ["system"],
  symptoms: ["`the system daemon is another build of banger`"],
  meaning:
    "install.toml says whose VMs the services run, and which build they are. A banger of another build does not talk to them.",
  cure: "Use the installed one, /usr/local/bin/banger; or install this one: `sudo banger system install --owner USER`.",
  dependsOn: [],
  needs: [],
  judge: ({ place: { install: installed }, advice }) => {
    if (installed === undefined)
      return fail("install.toml cannot be used", [advice.asRoot(install(undefined))]);
    const built = `${installed.version} (${installed.commit})`;
    const evidence: Evidence[] = [
      {
        looked: "/etc/banger/install.toml",
        found: `${built}, for ${installed.owner}, ${installed.installed_at}`,
      },
      { looked: "this banger", found: `${version} (${commit})` },
    ];
    if (installed.version === version && installed.commit === commit)
      return pass(`for ${installed.owner}, this very build`, ...evidence);
    const remedy = [
      "use /usr/local/bin/banger",
      `or install this one: ${advice.asRoot(install(installed.owner))}`,
    ];
    return warn(`another build is installed: ${built}`, remedy, ...evidence);
  },
});

const services = defineCheck({
  id: "services",
  group: "services",
  modes: ["system"],
  symptoms: ["`the system daemon does not answer`", "VMs cannot be started after a reboot"],
  meaning:
    "Two services and the socket by which images are built: each must be active, and enabled to be there after a reboot.",
  cure: "`sudo banger system restart`; `journalctl -u bangerd-root -u bangerd` says why one has ended.",
  dependsOn: [],
  needs: ["units"],
  judge: ({ facts: { units }, advice }) => {
    const evidence = units.map(({ unit, active, sub, enabled, restarts }) => ({
      looked: unit,
      found: `${active} (${sub}), ${enabled ? "enabled" : "not enabled"}, restarted ${restarts} times`,
    }));
    const ended = units.filter(({ active }) => active !== "active").map(({ unit }) => unit);
    if (ended.length > 0)
      return fixable(
        fail(
          `not active: ${ended.join(", ")}`,
          [advice.asRoot(restart), `journalctl -u ${ended[0]}`],
          ...evidence,
        ),
        advice.fix("root", ...restarting),
      );
    const disabled = units.filter(({ enabled }) => !enabled).map(({ unit }) => unit);
    if (disabled.length === 0) return pass("active, and started at boot", ...evidence);
    const remedy = [advice.asRoot(`systemctl enable ${disabled.join(" ")}`)];
    return fixable(
      warn(`not started at the next boot: ${disabled.join(", ")}`, remedy, ...evidence),
      advice.fix("root", "systemctl", "enable", ...disabled),
    );
  },
});

const answers = defineCheck({
  id: "answers",
  group: "services",
  modes: ["system"],
  symptoms: ["`no bangerd listens on /run/banger/bangerd.sock`", "`bangerd-root is ..., bangerd is ...`"],
  meaning: "Both services answer on their sockets, and are of the build that is installed.",
  cure: "`sudo banger system restart` brings both to the installed build.",
  dependsOn: ["services"],
  needs: ["sockets"],
  judge: ({ facts: { sockets }, place, advice }) => {
    const evidence = sockets.map(({ socket, answer }) => ({
      looked: socket,
      found:
        answer === null
          ? "no answer"
          : answer === "denied"
            ? "not yours to ask"
            : `${answer.version} (${answer.commit}), pid ${answer.pid}`,
    }));
    const remedy = [advice.asRoot(restart)];
    const silent = sockets.filter(({ answer }) => answer === null).map(({ socket }) => socket);
    const fix = advice.fix("root", ...restarting);
    if (silent.length > 0)
      return fixable(fail(`no answer on ${silent.join(", ")}`, remedy, ...evidence), fix);
    const { install: wanted } = place;
    const others = sockets.filter(
      ({ answer }) =>
        answer !== null &&
        answer !== "denied" &&
        (answer.version !== wanted?.version || answer.commit !== wanted.commit),
    );
    if (others.length === 0) return pass("both answer, and are the installed build", ...evidence);
    const units = others.map(({ unit }) => unit).join(", ");
    return fixable(fail(`of another build than the installed one: ${units}`, remedy, ...evidence), fix);
  },
});

const trusted = defineCheck({
  id: "trusted-files",
  group: "services",
  modes: ["system"],
  symptoms: [
    "`... is not used: its mode ... lets others than root write to it`",
    "bangerd-root does not start",
  ],
  meaning:
    "What root runs and believes must be root's, with every directory above it: /etc/banger, and the executable itself.",
  cure: "`sudo chown root:root FILE && sudo chmod go-w FILE`, for what is named.",
  dependsOn: [],
  needs: ["trusted"],
  judge: ({ facts: { trusted }, advice }) => {
    const evidence = trusted.files.map(({ path, exists, problem }) => ({
      looked: path,
      found: exists ? (problem ?? "root's alone") : "not there",
    }));
    const loose = trusted.files.filter(({ problem }) => problem !== undefined);
    if (loose.length > 0) {
      const remedy = loose.map(({ path }) =>
        advice.asRoot(`sh -c 'chown root:root ${path}; chmod go-w ${path}'`),
      );
      return fixable(
        fail(`others than root can change ${loose.map(({ path }) => path).join(", ")}`, remedy, ...evidence),
        // Of a file itself; a directory above it that is too open is for a person to look at.
        ...loose.flatMap(({ path }) => [
          advice.fix("root", "chown", "root:root", path),
          advice.fix("root", "chmod", "go-w", path),
        ]),
      );
    }
    const [first] = trusted.problem?.split("\n") ?? [];
    if (first !== undefined)
      return fail(first, trusted.hint === undefined ? [] : [trusted.hint], ...evidence);
    return pass("what root trusts is root's", ...evidence);
  },
});

export const serviceChecks: readonly Check[] = [installation, services, answers, trusted];
