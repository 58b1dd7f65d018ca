/**
 * Reads and writes the text of git configuration files, without git.
 *
 * A repository's configuration is hostile: git itself would act on it (include other files, start programs). This
 * reader only turns text into a list; nothing is included, nothing is run. Grammar: git-config(1), "Syntax".
 * Text is Latin-1 all along, so that bytes pass through unharmed.
 */
import { BangerError } from "../base/base.ts";

/** One variable. `name` is `section.key` or `section.subsection.key`, section and key in lower case. */
export interface ConfigEntry {
  section: string;
  subsection: string | undefined;
  key: string;
  value: string;
}

/** A configuration file's variables in their order. Throws bad_repository for text that git would refuse too. */
export function parseConfigFile(bytes: Buffer, what: string): ConfigEntry[] {
  const text = bytes.toString("latin1").replace(/^\u00ef\u00bb\u00bf/, "");
  const entries: ConfigEntry[] = [];
  let section: string | undefined;
  let subsection: string | undefined;
  let at = 0;
  const refuse = (): BangerError => {
    const line = text.slice(0, at).split("\n").length;
    return new BangerError("bad_repository", `line ${line} of ${what} is not git configuration`);
  };
  for (;;) {
    at = skip(/[\s\0]*/y, text, at);
    if (at >= text.length) return entries;
    const char = text[at];
    if (char === "#" || char === ";") {
      at = skip(/[^\n]*/y, text, at);
    } else if (char === "[") {
      const header = match(/\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n\0]|\\[^\n\0])*)")?\]/y, text, at);
      if (header === undefined) throw refuse();
      const name = (header[1] ?? "").toLowerCase();
      const dot = name.indexOf(".");
      // `[a.b]` is the old way to write `[a "b"]`.
      section = header[2] === undefined && dot >= 0 ? name.slice(0, dot) : name;
      subsection = header[2]?.replace(/\\(.)/g, "$1") ?? (dot >= 0 ? name.slice(dot + 1) : undefined);
      at += header[0].length;
    } else {
      const key = match(/([A-Za-z][A-Za-z0-9-]*)[ \t]*/y, text, at);
      if (key === undefined || section === undefined) throw refuse();
      at += key[0].length;
      const parsed = parseValue(text, at);
      if (parsed === undefined) throw refuse();
      at = parsed.end;
      entries.push({ section, subsection, key: (key[1] ?? "").toLowerCase(), value: parsed.value });
    }
  }
}

/** The value behind a key: none (`true`), or `=` and text with quotes, escapes, comments and continued lines. */
function parseValue(text: string, from: number): { value: string; end: number } | undefined {
  let at = from;
  if (at >= text.length || text[at] === "\n") return { value: "true", end: at };
  if (text.startsWith("\r\n", at)) return { value: "true", end: at + 1 };
  if (text[at] !== "=") return undefined;
  at += 1;
  let value = "";
  let blanks = "";
  let quoted = false;
  for (;;) {
    let char = text[at];
    if (char === "\r" && text[at + 1] === "\n") {
      at += 1;
      char = "\n";
    }
    if (char === undefined || char === "\n") return quoted ? undefined : { value, end: at };
    at += 1;
    if (!quoted && (char === " " || char === "\t" || char === "\r" || char === "\v" || char === "\f")) {
      if (value !== "") blanks += char;
      continue;
    }
    if (!quoted && (char === "#" || char === ";")) return { value, end: skip(/[^\n]*/y, text, at) };
    value += blanks;
    blanks = "";
    if (char === "\\") {
      if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
      const escaped = text[at];
      at += 1;
      if (escaped === "\n") continue;
      const plain = { t: "\t", b: "\b", n: "\n", "\\": "\\", '"': '"' }[escaped ?? ""];
      if (plain === undefined) return undefined;
      value += plain;
    } else if (char === '"') {
      quoted = !quoted;
    } else {
      value += char;
    }
  }
}

/** The last value of a variable, as git takes it. `name` is `section.key`; a subsection's keys are no match. */
export function lastValue(entries: readonly ConfigEntry[], section: string, key: string): string | undefined {
  return entries.findLast(
    (entry) => entry.section === section && entry.subsection === undefined && entry.key === key,
  )?.value;
}

/** A boolean as git reads it, or undefined when the value is absent or no boolean. */
export function booleanValue(value: string | undefined): boolean | undefined {
  const word = value?.toLowerCase();
  if (word === "true" || word === "yes" || word === "on" || word === "1") return true;
  if (word === "false" || word === "no" || word === "off" || word === "0" || word === "") return false;
  return undefined;
}

/** Text of a configuration file with these variables, every value quoted. */
export function formatConfigFile(entries: readonly ConfigEntry[]): Buffer {
  let out = "";
  let header = "";
  for (const { section, subsection, key, value } of entries) {
    const next =
      subsection === undefined ? `[${section}]` : `[${section} "${subsection.replace(/["\\]/g, "\\$&")}"]`;
    if (next !== header) out += `${next}\n`;
    header = next;
    const text = value
      .replace(/["\\]/g, "\\$&")
      .replaceAll("\n", "\\n")
      .replaceAll("\t", "\\t")
      .replaceAll("\b", "\\b");
    out += `\t${key} = "${text}"\n`;
  }
  return Buffer.from(out, "latin1");
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}
