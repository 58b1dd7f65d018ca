/** Checks of Firecracker and its jailer. */

import { followsLinks, judgeVersion, newestTested, oldest } from "../../vmm/vmm.ts";
import type { Advice } from "../advice.ts";
import { type Check, defineCheck } from "../check.ts";
import type { VmmProgram } from "../facts/firecracker.ts";
import { type Evidence, type Fix, fail, fixable, pass, type Verdict, warn } from "../verdict.ts";

const install = "banger firecracker install";

function fixOf(advice: Advice): Fix {
  return advice.fix("root", "banger", "firecracker", "install");
}

function evidenceOf(name: string, program: VmmProgram | undefined, lookedIn: readonly string[]): Evidence[] {
  if (program === undefined) return [{ looked: name, found: `not in ${lookedIn.join(", ")}` }];
  return [
    { looked: name, found: program.path },
    {
      looked: "its version",
      found: `${program.version ?? (program.problem === undefined ? "it does not say" : "not asked")} (tested: ${oldest} to ${newestTested})`,
    },
    { looked: "whose", found: program.problem ?? "root's alone" },
  ];
}

/** What holds for both; undefined when all is well. */
function problemOf(
  name: string,
  program: VmmProgram | undefined,
  remedy: readonly string[],
  evidence: readonly Evidence[],
  fix: Fix,
): Verdict | undefined {
  if (program === undefined) return fixable(fail(`${name} is not installed`, remedy, ...evidence), fix);
  if (program.problem !== undefined)
    return fail(`root does not run ${program.path}: ${program.problem}`, remedy, ...evidence);
  if (program.version === undefined)
    return fail(`${program.path} does not say its version`, remedy, ...evidence);
  if (judgeVersion(program.version) === "too old")
    return fixable(fail(`${program.version} is too old: ${oldest} is the least`, remedy, ...evidence), fix);
  return undefined;
}

const firecracker = defineCheck({
  id: "firecracker",
  group: "services",
  modes: ["system"],
  symptoms: ["`Firecracker is not installed`", "`Firecracker ... is too old`", "`root does not run ...`"],
  meaning: `Firecracker runs the system services' VMs. ${oldest} is the least, ${newestTested} the newest that banger was tested with; the program must be root's, because root starts it.`,
  cure: "`sudo banger firecracker install` fetches the version that banger is tested with, to /usr/local/lib/banger/firecracker.",
  dependsOn: [],
  needs: ["firecracker"],
  judge: ({ facts: { firecracker: found }, advice }) => {
    const program = found.firecracker;
    const evidence = evidenceOf("firecracker", program, found.lookedIn);
    const problem = problemOf("firecracker", program, [advice.asRoot(install)], evidence, fixOf(advice));
    if (problem !== undefined) return problem;
    const version = program?.version ?? "";
    const { probe } = found;
    const tried = {
      looked: "a test guest",
      found: probe.usable ? "it ran, or could not be tried by you" : (probe.reason ?? "no"),
    };
    // Missing KVM is the check kvm's to say.
    if (!probe.usable && !probe.reason?.startsWith("KVM cannot be used"))
      return fail(probe.reason ?? "it cannot run VMs", ["journalctl -k | grep -i kvm"], ...evidence, tried);
    if (judgeVersion(version) === "newer than tested")
      return warn(
        `${version} is newer than the newest tested, ${newestTested}`,
        [`if VMs fail: ${advice.asRoot(install)}`],
        ...evidence,
        tried,
      );
    return pass(version, ...evidence, tried);
  },
});

const jailer = defineCheck({
  id: "jailer",
  group: "services",
  modes: ["system"],
  symptoms: ["`the program jailer was not found`"],
  meaning:
    "The jailer shuts each Firecracker into a directory of its own. Up to 1.13.1, and in 1.14.0, it follows links in the directory that jails are made in (CVE-2026-1386); in root's own directory, which is what banger uses, nobody else can put one there.",
  cure: "`sudo banger firecracker install` brings both programs, of one version.",
  dependsOn: ["firecracker"],
  needs: ["firecracker", "jails"],
  judge: ({ facts: { firecracker: found, jails }, advice }) => {
    const program = found.jailer;
    const version = program?.version ?? "";
    const exposed = version !== "" && followsLinks(version);
    const evidence = [
      ...evidenceOf("jailer", program, found.lookedIn),
      ...(exposed
        ? [
            {
              looked: "CVE-2026-1386",
              found: `${version} has it; ${jails.path} is ${jails.problem ?? "root's alone, so nobody can use it"}`,
            },
          ]
        : []),
    ];
    const remedy = [advice.asRoot(install)];
    const problem = problemOf("jailer", program, remedy, evidence, fixOf(advice));
    if (problem !== undefined) return problem;
    if (exposed && jails.problem !== undefined)
      return fail(`${version} has CVE-2026-1386, and ${jails.path} is not root's alone`, remedy, ...evidence);
    if (version !== found.firecracker?.version)
      return warn(
        `${version}, but firecracker is ${found.firecracker?.version ?? "not there"}`,
        remedy,
        ...evidence,
      );
    return pass(version, ...evidence);
  },
});

export const firecrackerChecks: readonly Check[] = [firecracker, jailer];
