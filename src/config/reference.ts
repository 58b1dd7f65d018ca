/** docs/config.md, made from the schema: each key with its meaning, default and a value that is allowed. */
import { z } from "zod";
import {
  administratorKeys,
  CatalogSource,
  ConfigSchema,
  FileSync,
  inertKeys,
  VmDefaults,
  Warm,
} from "./schema.ts";

export function configReference(): string {
  const rows = (shape: Record<string, z.ZodType>, prefix: string) =>
    Object.entries(shape)
      .filter(([key]) => prefix !== "" || !["vm_defaults", "catalog", "file_sync", "warm"].includes(key))
      .map(([key, schema]) => {
        const is = (keys: readonly string[]) => prefix === "" && keys.includes(key);
        const where = is(inertKeys)
          ? " (checked, but without effect in this version)"
          : is(administratorKeys)
            ? " (system services, and there in `/etc/banger/config.toml`)"
            : "";
        return `| \`${key}\` | ${byDefault(schema)} | ${schema.description ?? ""}${choices(schema)}${where} |`;
      })
      .join("\n");
  const head = "| key | default | meaning |\n|---|---|---|";
  return `# config.toml

\`~/.config/banger/config.toml\` (or \`$XDG_CONFIG_HOME/banger/config.toml\`). Every key is optional; the file is read when the daemon
starts (\`banger daemon stop\` makes the next command read it again). It is strict: an unknown key, a wrong type or a value out of range
is an error that names key and line. This page is made from the schema (\`npm run gen\`).

What the system services do as root is in \`/etc/banger/config.toml\`, which must be root's: \`firecracker_bin\` and the keys that say so below.

${head}
${rows(ConfigSchema.shape, "")}

Sizes are written as \`"512M"\`, \`"16G"\` or \`"1T"\`, durations as \`"90s"\`, \`"2h30m"\` or \`"0"\`; both in quotes.

## [vm_defaults]

${head}
${rows(VmDefaults.shape, "vm_defaults")}

What is absent follows from the host (a quarter of its CPUs, at most 4; an eighth of its memory, at most 8 GiB), but never less than
2 CPUs (or the host's one), 1 GiB of memory, 8 GiB of disk. \`banger vm run\` prints what a VM gets.

## [warm]

${head}
${rows(Warm.shape, "warm")}

See [warm-start.md](warm-start.md).

## [[catalog]]

${head}
${rows(CatalogSource.shape, "catalog")}

More catalogs of images and kernels, asked in this order, before banger's own; of a name that several have, the first one's counts.

\`\`\`toml
[[catalog]]
source = "https://images.example.org/banger/catalog.json"
key = """
-----BEGIN PUBLIC KEY-----
...
-----END PUBLIC KEY-----
"""
\`\`\`

Get the key by another way than the catalog's. What it protects against, and how to publish: [image-catalog.md](image-catalog.md).

## [[file_sync]]

${head}
${rows(FileSync.shape, "file_sync")}

Packed when a VM is made, and in it before anything of it runs: what counts, and what is left out, is in
[files-and-ports.md](files-and-ports.md#your-own-files-in-every-vm-file_sync).

\`\`\`toml
[[file_sync]]
host = "~/.gitconfig"
guest = "~/.gitconfig"
mode = "0644"
\`\`\`

## Example

\`\`\`toml
log_level = "debug"
daemon_idle_timeout = "1h"

[vm_defaults]
vcpu = 4
memory_mib = 4096
disk_size = "16G"
\`\`\`

Environment: \`BANGER_LOG_LEVEL\` overrides \`log_level\`; \`NO_COLOR\` turns colour off; \`XDG_CONFIG_HOME\`, \`XDG_STATE_HOME\`,
\`XDG_CACHE_HOME\` and \`XDG_RUNTIME_DIR\` move banger's directories.
`;
}

/** As it would be written in the file. */
function byDefault(schema: z.ZodType): string {
  if (!(schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)) return "-";
  return `\`${JSON.stringify(schema.def.defaultValue)}\``;
}

function choices(schema: z.ZodType): string {
  const inner = schema instanceof z.ZodDefault ? schema.def.innerType : schema;
  if (!(inner instanceof z.ZodEnum)) return "";
  return ` (${inner.options.map((word) => `\`"${word}"\``).join(", ")})`;
}
