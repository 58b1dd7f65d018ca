/** docs/troubleshooting.md, made from the checks: what people see, which check tells, what to do. */
import { type Check, groups } from "./check.ts";
import { checks } from "./checks.ts";

export function troubleshooting(): string {
  const sections = Object.entries(groups).flatMap(([group, title]) => {
    const own = checks.filter((check) => check.group === group);
    return own.length === 0 ? [] : [`## ${title}`, ...own.map(section)];
  });
  return `${[head, "## By symptom", symptoms(), ...sections].join("\n\n")}\n`;
}

const head = `# Troubleshooting

\`banger doctor\` says what this machine has for banger, what it lacks, and what to do about it, in the words of its distribution. It
changes nothing unless it is told to, needs no daemon and no root, and takes a second or so. Exit status: 0 when nothing FAILs, else 1.

- **PASS**: all is well. **WARN**: it works, but not as well as it could, or not for long. **FAIL**: something that people ask for does
  not work. **SKIP**: it was not looked at: something that it depends on has failed, or this user may not see it.
- \`--fix\` names each remedy that loses nothing, asks, and runs it (\`--yes\`: without asking); what needs root is done as root only, else
  it is printed as the line to type. Without it nothing is changed.
- \`--verbose\` shows what was looked at and found, \`--json\` all of it for programs. Checks keep their names.
- Where KVM hangs instead of failing, the first doctor after a boot waits three seconds for it; the daemon's answer is remembered.
- Logs: \`banger daemon logs\`, \`banger vm logs VM\`; of the system services \`journalctl -u bangerd -u bangerd-root\`.

This page is made from the checks (\`npm run gen\`).`;

function symptoms(): string {
  const rows = checks.flatMap((check) =>
    check.symptoms.map((symptom) => `| ${symptom} | [${check.id}](#${check.id}) |`),
  );
  return ["| what you see | check |", "|---|---|", ...rows].join("\n");
}

function section({ id, modes, meaning, cure }: Check): string {
  const where = modes.length === 1 ? ` (${modes[0]} mode)` : "";
  return `### ${id}\n\n${meaning}${where}\n\n**What to do:** ${cure}`;
}
