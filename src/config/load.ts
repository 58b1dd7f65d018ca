/** Reading config.toml: all problems at once, each with its key, its line where possible, and what is allowed. */
import { readFileSync, statSync } from "node:fs";
import type { z } from "zod";
import { BangerError, nearest } from "../base/base.ts";
import { CatalogSource, type Config, ConfigSchema, FileSync, VmDefaults } from "./schema.ts";
import { parseTomlText, placeOfKey } from "./toml-text.ts";

const maxBytes = 1024 * 1024;

/** Another one when the file has changed, has come or has gone. */
export function configStamp(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

/** The config at `path`, or the defaults when there is no file. Throws bad_config. */
export function loadConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return ConfigSchema.parse({});
    throw new BangerError("bad_config", `${path} cannot be read`, {
      cause: error,
      hint: `look at its permissions: ls -l ${path}`,
    });
  }
  if (text.length > maxBytes) throw new BangerError("bad_config", `${path} is larger than 1 MiB`);
  return parseConfig(text, path);
}

/** The config that `text` says. `path` is for messages. */
export function parseConfig(text: string, path: string): Config {
  return parseToml(text, path, ConfigSchema);
}

/** What `text` says, by a schema of the keys of config.toml. `path` is for messages. */
export function parseToml<S extends z.ZodObject>(
  text: string,
  path: string,
  schema: S,
): Readonly<z.infer<S>> {
  const parsed = schema.safeParse(parseTomlText(text, path));
  if (parsed.success) return Object.freeze(parsed.data);
  const problems = parsed.error.issues.flatMap((issue) => explain(issue, schema, text, path));
  throw new BangerError("bad_config", problems.join("\n"), {
    hint: "every key and its allowed values: docs/config.md",
    details: { problems },
  });
}

const tables: Record<string, z.ZodObject> = {
  vm_defaults: VmDefaults,
  catalog: CatalogSource,
  file_sync: FileSync,
};

function explain(issue: z.core.$ZodIssue, schema: z.ZodObject, text: string, path: string): string[] {
  if (issue.code === "unrecognized_keys") {
    const table = issue.path[0] === undefined ? schema : tables[String(issue.path[0])];
    const known = Object.keys(table?.shape ?? {});
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const full = [...issue.path, key];
      return `${placeOfKey(full, text, path)}: unknown key ${full.join(".")}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
    });
  }
  return [`${placeOfKey(issue.path, text, path)}: ${issue.path.join(".")}: ${issue.message}`];
}
