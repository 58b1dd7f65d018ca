/** banger.toml. Loads the TOML parser: imported only when there is such a file. */
import { BangerError, nearest } from "../base/base.ts";
import { parseTomlText, placeOfKey } from "../config/toml-text.ts";
import { keys, otherWords, Unfit } from "./keys.ts";
import type { Project, ProjectSettings } from "./settings.ts";

/** A file with more that is wrong is none of ours. */
const mostShown = 20;

/** Throws bad_config with every problem, each with its line. */
export function parseBangerToml(text: string, file: string): Project {
  const table = parseTomlText(text, file);
  const placeOf = (key: string) => placeOfKey([key], text, file);
  let settings: ProjectSettings = { ports: [], include: [], postCreate: [], env: {} };
  const problems: { key: string; what: string }[] = [];
  for (const [key, value] of Object.entries(table)) {
    const read = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (read === undefined) {
      problems.push({ key, what: `unknown key ${inWords(key)}${meant(key)}` });
      continue;
    }
    try {
      settings = { ...settings, ...read(value) };
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      problems.push({ key, what: `${key}: ${error.message}` });
    }
  }
  if (problems.length > 0) {
    // Looked for in the text only where it is told: a file may have thousands.
    const shown = problems.slice(0, mostShown).map(({ key, what }) => `${placeOf(key)}: ${what}`);
    const more = problems.length > mostShown ? [`and ${problems.length - mostShown} more`] : [];
    throw new BangerError("bad_config", [...shown, ...more].join("\n"), {
      hint: "every key and what it may say: docs/project-file.md; to do without the file: --no-project",
    });
  }
  return { file, settings, ignored: [], placeOf };
}

function meant(key: string): string {
  const known =
    nearest(key, Object.keys(keys)) ?? (Object.hasOwn(otherWords, key) ? otherWords[key] : undefined);
  return known === undefined ? "" : `; did you mean ${known}?`;
}

/** A key may be any text: on one line, and not all of it. */
function inWords(key: string): string {
  return /^[\w-]{1,100}$/.test(key) ? key : JSON.stringify(key.slice(0, 100));
}
