/**
 * The banger.toml that a repository begins with: every key, as a comment, with what its files suggest. What a devcontainer.json
 * already asks for is in force, because with a banger.toml that file is not read any more.
 */
import { type Findings, look } from "./look.ts";
import { readProject } from "./read-project.ts";
import type { ProjectSettings } from "./settings.ts";

/** For the work tree at `root`. What it says is read by our own reader. */
export async function initialText(root: string): Promise<string> {
  const found = look(root);
  const project = await readProject(root).catch(() => undefined);
  const settings = project === undefined || project.file === "banger.toml" ? undefined : project.settings;
  const source =
    settings === undefined ? [] : [`# Taken over from ${project?.file}, which is not read beside this file.`];
  return [
    "# What `banger vm run` gives this repository's VM. Flags win over it; what is absent follows from",
    "# config.toml and the host. Every key: docs/project-file.md of banger.",
    ...source,
    ...sections(found, settings).flatMap((lines) => ["", ...lines]),
    "",
  ].join("\n");
}

function sections(found: Findings, settings: ProjectSettings | undefined): string[][] {
  const { image, ports = [], postCreate = [], env = {} } = settings ?? {};
  const forwards =
    ports.length > 0
      ? ports.map(({ host, guest }) => (host === guest ? host : `${host}:${guest}`))
      : undefined;
  const commands = postCreate.length > 0 ? postCreate.map(({ shown }) => shown) : undefined;
  const guessed = found.ports.map(({ port }) => port);
  const from = found.ports.map(({ port, of }) => `${port}: ${of}`).join(", ");
  const runs = found.tests[0] === undefined ? [] : [`# Its tests: banger vm run . -- ${found.tests[0]}`];
  return [
    [
      ...found.languages.map((language) => `# Found: ${language}`),
      ...(found.toolFiles.length > 0
        ? [
            `# Its tools are in ${found.toolFiles.join(", ")}: mise installs them in the VM, if it has the network (--nat).`,
          ]
        : []),
      ...runs,
    ],
    [
      "# An image of `banger image list --available`, or a container image such as debian:trixie-slim.",
      line("image", image, "debian-bookworm"),
    ],
    [
      "# Sizes. At most this host's CPUs, half its memory, and 64G of disk.",
      line("vcpu", undefined, 2),
      line("memory", undefined, "4G"),
      line("disk", undefined, "16G"),
    ],
    [
      "# Asks for the way out, to the internet and your LAN. It is opened by --nat, or by project_nat in config.toml.",
      line("nat", undefined, true),
    ],
    [
      `# Ports of the VM on this host's loopback: GUEST, or "HOST:GUEST".${from === "" ? "" : ` Guessed: ${from}.`}`,
      line("ports", forwards, guessed.length > 0 ? guessed : [8080]),
    ],
    [
      "# Copied although git does not track them.",
      line("include", undefined, found.untracked.length > 0 ? found.untracked : [".env"]),
    ],
    [
      "# mise's tools: true installs them before a command, too; false never does.",
      line("bootstrap", undefined, true),
    ],
    [
      "# Run in the VM, in the repository, before your command or shell.",
      line("post_create", commands, found.setups.length > 0 ? found.setups : ["./setup.sh"]),
    ],
    ["# For all commands in the VM.", ...envLines(env)],
  ].filter((lines) => lines.length > 0);
}

function line(key: string, value: Value | undefined, otherwise: Value): string {
  return value === undefined ? `# ${key} = ${toml(otherwise)}` : `${key} = ${toml(value)}`;
}

function envLines(env: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(env);
  if (entries.length === 0) return ['# env = { CI = "1" }'];
  return ["[env]", ...entries.map(([name, value]) => `${name} = ${toml(value)}`)];
}

type Value = string | number | boolean | readonly Value[];

/** JSON's strings are TOML's, but for a few characters that TOML wants escaped. */
function toml(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.toWellFormed()).replace(/\u007f/g, "\\u007f");
}
