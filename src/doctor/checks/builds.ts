/** Whether an image could be built here. */
import type { Advice, Tool } from "../advice.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import type { BuildFacts } from "../facts/builds.ts";
import type { ProgramName } from "../facts/programs.ts";
import type { Facts } from "../facts.ts";
import { type Evidence, fail, pass, warn } from "../verdict.ts";

const needed: readonly { program: ProgramName; tool: Tool; unlessRoot?: true }[] = [
  { program: "mmdebstrap", tool: "mmdebstrap" },
  { program: "apt-get", tool: "apt" },
  { program: "dpkg-deb", tool: "apt" },
  { program: "newuidmap", tool: "newuidmap", unlessRoot: true },
  { program: "newgidmap", tool: "newuidmap", unlessRoot: true },
];

const imageBuild = defineCheck({
  id: "image-build",
  group: "images",
  modes: anywhere,
  symptoms: [
    "`mmdebstrap is not installed`",
    "`this host does not let ... make a user namespace`",
    "`... has no subordinate ids in /etc/subuid`",
    "`this machine's apt sources name no Debian mirror`",
  ],
  meaning:
    "An image is built from Debian's packages by mmdebstrap; by anybody but root in a user namespace, for which the user needs subordinate ids (subuid(5)) and the kernel's leave. This matters until the image is there, and again when it is to be renewed.",
  cure: 'Install mmdebstrap and uidmap; give yourself subordinate ids: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`; let users make namespaces: Debian `sudo sysctl -w kernel.unprivileged_userns_clone=1`, Ubuntu `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`. On another distribution name a mirror: `debian_mirror = "http://deb.debian.org/debian"` in config.toml.',
  dependsOn: [],
  needs: ["programs", "builds", "images", "settings"],
  judge: ({ facts, advice }) => {
    const { programs, builds, images, settings } = facts;
    const evidence = [...programEvidence(facts), ...buildEvidence(builds)];
    const absent = needed.filter(
      ({ program, unlessRoot }) =>
        programs.paths[program] === undefined && !(unlessRoot === true && builds.namespace === "as root"),
    );
    const [problem, remedy] = explain(absent, builds, advice, settings.path);
    if (problem === undefined) return pass("this host can build images", ...evidence);
    return images.image.stored === undefined
      ? fail(`no image can be built: ${problem}`, remedy, ...evidence)
      : warn(`the image is there, but cannot be renewed: ${problem}`, remedy, ...evidence);
  },
});

function explain(
  absent: typeof needed,
  { namespace, mirror }: BuildFacts,
  advice: Advice,
  configPath: string,
): [problem: string | undefined, remedy: readonly string[]] {
  if (absent.length > 0) {
    const names = absent.map(({ program }) => program).join(", ");
    return [`${names} not found`, advice.install(...new Set(absent.map(({ tool }) => tool)))];
  }
  if (typeof namespace !== "string") {
    const line = namespace.remedy.replace(/^sudo /, "");
    return [namespace.reason, namespace.remedy === line ? [line] : [advice.asRoot(line)]];
  }
  if ("archive" in mirror) return [undefined, []];
  return mirror.keyring
    ? [mirror.reason, [`in ${configPath}: debian_mirror = "http://deb.debian.org/debian"`]]
    : [mirror.reason, advice.install("keyring")];
}

function programEvidence({ programs }: Pick<Facts, "programs">): Evidence[] {
  return needed.map(({ program }) => ({
    looked: program,
    found: programs.paths[program] ?? `not in ${programs.path}`,
  }));
}

const tried = {
  works: "they work",
  "as root": "not needed by root",
  "owner's": "the services' owner's to try: run doctor as that user",
};

function buildEvidence({ namespace, mirror }: BuildFacts): Evidence[] {
  return [
    {
      looked: "user namespaces",
      found: typeof namespace === "string" ? tried[namespace] : namespace.reason,
    },
    { looked: "mirror", found: "archive" in mirror ? mirror.archive : mirror.reason },
  ];
}

export const buildChecks: readonly Check[] = [imageBuild];
