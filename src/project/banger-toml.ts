/** banger.toml. Loads the TOML parser: imported only when there is such a file. */
import { BangerError, nearest } from "../base/base.ts";
import { parseTomlText, placeOfKey } from "../config/toml-text.ts";
import { keys, otherWords, Unfit } from "./keys.ts";
import type { Project, ProjectSettings } from "./settings.ts";

/** Throws bad_config with every problem, each with its line. */
export function parseBangerToml(text: string, file: string): Project {
  const table = parseTomlText(text, file);
  const placeOf = (key: string) => placeOfKey([key], text, file);
  let settings: ProjectSettings = { ports: [], include: [], postCreate: [], env: {} };
  const problems: string[] = [];
  for (const [key, value] of Object.entries(table)) {
    const read = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (read === undefined) {
      problems.push(`${placeOf(key)}: unknown key ${key}${meant(key)}`);
      continue;
    }
    try {
      settings = { ...settings, ...read(value) };
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push(`${placeOf(key)}: ${key}: ${error.message}`);
    }
  }
  if (problems.length > 0) {
    throw new BangerError("bad_config", problems.join("\n"), {
      hint: "every key and what it may say: docs/project-file.md; to do without the file: --no-project",
      details: { problems },
    });
  }
  return { file, settings, ignored: [], placeOf };
}

function meant(key: string): string {
  const known =
    nearest(key, Object.keys(keys)) ?? (Object.hasOwn(otherWords, key) ? otherWords[key] : undefined);
  return known === undefined ? "" : `; did you mean ${known}?`;
}
