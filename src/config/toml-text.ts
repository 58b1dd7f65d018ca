/** TOML as people write it: parsed, and where in it a key is. Without the schema of config.toml, which loads zod. */
import { parse, TomlError } from "smol-toml";
import { BangerError } from "../base/base.ts";

/** What `text` says. `path` is for the message. Throws bad_config with line and column for what is not TOML. */
export function parseTomlText(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "not TOML";
    throw new BangerError("bad_config", `${path}:${error.line}:${error.column}: ${what}`, { cause: error });
  }
}

/** `path:line` of the key, as far as a look at the text can tell; of an entry of a list, the list's. */
export function placeOfKey(key: readonly PropertyKey[], text: string, path: string): string {
  const exact = lineOf(key, text) ?? (key.length > 1 ? lineOf(key.slice(0, 1), text) : undefined);
  return exact === undefined ? path : `${path}:${exact}`;
}

function lineOf(key: readonly PropertyKey[], text: string): number | undefined {
  const [table, last] =
    key.length > 1 ? [String(key[0]), String(key.at(-1))] : [undefined, String(key[0] ?? "")];
  let inside = table === undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const header = headerOf(line);
    if (header !== undefined) inside = header === table;
    const name = /^\s*"?([^"=\s]+)"?\s*=/.exec(line)?.[1];
    if (
      header === last ||
      (inside && name === last) ||
      (table !== undefined && name === `${table}.${last}`)
    ) {
      return index + 1;
    }
  }
  return undefined;
}

/** The name in `[name]` or `[[name]]`. No expression: one that skips spaces on both sides is slow on a line of nothing else. */
function headerOf(line: string): string | undefined {
  const trimmed = line.trim();
  if (!trimmed.startsWith("[")) return undefined;
  return trimmed
    .slice(trimmed.startsWith("[[") ? 2 : 1)
    .split("]")[0]
    ?.trim();
}
