/** install.toml: for whom the system services were installed, and which build they are. Root writes it, all may read. */
import { readFileSync } from "node:fs";
import { parse, stringify } from "smol-toml";
import { z } from "zod";
import { BangerError } from "../base/errors.ts";

/** Linux's highest id but one: the last means "no id" (chown(2)). */
const id = z
  .int()
  .min(1)
  .max(2 ** 32 - 2);
const time = z.iso.datetime({ offset: true });

export const InstallSchema = z.strictObject({
  /** Never root: whoever reaches the owner's socket must not be root by that. */
  owner: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?$/, "not a user's name"),
  uid: id,
  gid: z
    .int()
    .min(0)
    .max(2 ** 32 - 2),
  home: z.string().regex(/^\/[^\0\n]*$/, "not an absolute path"),
  version: z.string().min(1),
  commit: z.string().min(1),
  /** "unknown" for a build that was not stamped. */
  built_at: z.union([time, z.literal("unknown")]),
  installed_at: time,
});
export type Install = z.infer<typeof InstallSchema>;

const maxBytes = 64 * 1024;

/** The installation that `path` tells of; undefined when there is no such file. Throws bad_config. */
export function readInstall(path: string): Install | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unusable(path, "it cannot be read", error);
  }
  if (text.length > maxBytes) throw unusable(path, "it is larger than 64 KiB");
  let table: unknown;
  try {
    table = parse(text);
  } catch (error) {
    throw unusable(path, "it is not TOML", error);
  }
  const parsed = InstallSchema.safeParse(table);
  if (parsed.success) return Object.freeze(parsed.data);
  const [issue] = parsed.error.issues;
  throw unusable(path, `${issue?.path.join(".") || "it"}: ${issue?.message ?? "not valid"}`);
}

/** What `readInstall` reads. */
export function formatInstall(install: Install): string {
  return `# Written by banger system install: do not edit.\n${stringify(InstallSchema.parse(install))}\n`;
}

function unusable(path: string, why: string, cause?: unknown): BangerError {
  return new BangerError("bad_config", `${path} cannot be used: ${why}`, {
    hint: "write it anew: sudo banger system install --owner USER",
    cause,
  });
}
