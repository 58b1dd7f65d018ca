/** What a repository asks for of its VM's size, under what the user gives. */
import { hostLimits, type Limits, type Project, refuseExcess, summaryOf } from "../../project/project.ts";
import { escapeLine } from "../output/escape.ts";
import type { SpecInput } from "../vm/spec.ts";

/** Who reads a line reads no more than this. */
const mostIgnored = 20;

/** Flags win over the file. Throws bad_config for a size that no repository gets on this host. */
export function withProject(spec: SpecInput, project: Project, limits: Limits = hostLimits()): SpecInput {
  const { image, vcpu, memory, diskSize } = spec;
  const given = { vcpu: vcpu !== undefined, memory: memory !== undefined, diskSize: diskSize !== undefined };
  refuseExcess(project, given, limits);
  const { settings } = project;
  return {
    ...spec,
    image: image ?? settings.image,
    vcpu: vcpu ?? settings.vcpu,
    memory: memory ?? settings.memoryBytes,
    diskSize: diskSize ?? settings.diskBytes,
    natAskedBy: settings.nat === true ? project.file : undefined,
  };
}

/** What the file says, a line a setting, by which flag it is overruled, and what of it is `missing` in the repository. */
export function projectLines(project: Project, spec: SpecInput, missing: readonly string[] = []): string[] {
  const flags: Readonly<Record<string, string | false>> = {
    image: spec.image !== undefined && "--image",
    vcpu: spec.vcpu !== undefined && "--vcpu",
    memory: spec.memory !== undefined && "--memory",
    disk: spec.diskSize !== undefined && "--disk-size",
    nat:
      !spec.nat && project.settings.nat === true && "not given without --nat, or project_nat in config.toml",
  };
  const said = summaryOf(project.settings).map(({ key, text }) => {
    const flag = Object.hasOwn(flags, key) ? flags[key] : false;
    if (key === "include" && missing.includes(text))
      return `${project.file}: include ${escapeLine(text)} (not here, so not copied)`;
    const note = !flag ? "" : ` (${flag.startsWith("--") ? `${flag} is given` : flag})`;
    return `${project.file}: ${key} ${escapeLine(text)}${note}`;
  });
  return [...said, ...ignoredLine(project)];
}

/** What of a file of others' banger does not use. */
function ignoredLine({ file, ignored }: Project): string[] {
  if (ignored.length === 0) return [];
  const shown = ignored.slice(0, mostIgnored).map((what) => escapeLine(what.slice(0, 200)));
  const more = ignored.length > mostIgnored ? [`and ${ignored.length - mostIgnored} more`] : [];
  return [`${file}: ignored ${[...shown, ...more].join(", ")}`];
}

/** For who did not ask what the file says: what it decides, in a line, and what is not used. */
export function projectNotices(project: Project): string[] {
  const said = summaryOf(project.settings);
  const shown = [...new Set(said.map(({ key }) => key))].map((key) => {
    const [first, ...more] = said.filter((row) => row.key === key);
    const one = key === "env" || key === "post_create" ? undefined : first?.text;
    return more.length === 0 && one !== undefined
      ? `${key} ${escapeLine(one)}`
      : `${key} (${more.length + 1})`;
  });
  const line = shown.length === 0 ? [] : [`${project.file}: ${shown.join(", ")}`];
  return [...line, ...ignoredLine(project)];
}
