/**
 * What of a page of documentation can be tested: its fenced blocks, each with its fate, its inline code, its links.
 *
 * A block of commands (```sh, or ```console with what they print) has its fate in a comment just above it:
 *
 *   <!-- test: run -->                          run as it is, in the page's order: tests/e2e/docs-*.test.ts
 *   <!-- test: run until PATTERN -->            each command on a terminal, until it has said that; then Ctrl-C
 *   <!-- test: run on the host [as root] -->    in the emulated host: tests/system/docs.test.ts
 *   <!-- test: run by tests/FILE -->            another test runs these commands
 *   <!-- test: parse, because REASON -->        only banger's own parser sees it
 *
 * Lines below the first one, in the same comment, are commands which a reader does not need and the test does.
 */

export type Fate =
  | { kind: "run" }
  | { kind: "interrupt"; until: RegExp }
  | { kind: "host"; user: "dev" | "root" }
  | { kind: "elsewhere"; file: string }
  | { kind: "parse"; reason: string };

export interface Block {
  /** The line of the fence, from 1. */
  line: number;
  language: string;
  text: string;
  /** Of blocks of commands, and of nothing else. */
  fate: Fate | undefined;
  /** What is run before it. */
  before: string;
}

export interface Inline {
  line: number;
  text: string;
}

export interface Page {
  blocks: Block[];
  code: Inline[];
  /** Where links lead to, as written. */
  links: Inline[];
  /** Of headings, as links name them. */
  anchors: string[];
}

const commands = ["sh", "console"];
const languages = [...commands, "toml", "json", "conf", "text"];

/** Throws for what is not understood, with the line. */
export function parsePage(text: string): Page {
  const page: Page = { blocks: [], code: [], links: [], anchors: [] };
  const lines = text.split("\n");
  let fate: { fate: Fate; before: string; line: number } | undefined;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (/^\s*<!--\s*test:/.test(line)) {
      if (fate !== undefined) throw new Error(`line ${at + 1}: two fates for one block`);
      const end = lines.findIndex((each, n) => n >= at && each.includes("-->"));
      if (end < 0) throw new Error(`line ${at + 1}: the comment does not end`);
      const body = lines
        .slice(at, end + 1)
        .join("\n")
        .replace(/^\s*<!--\s*test:\s*/, "")
        .replace(/\s*-->\s*$/, "");
      const [first = "", ...before] = body.split("\n");
      fate = { fate: parseFate(first.trim(), at + 1), before: before.join("\n"), line: at + 1 };
      at = end;
      continue;
    }
    const fence = /^(\s*)```(.*)$/.exec(line);
    if (fence === null) {
      if (fate !== undefined && line.trim() !== "") {
        throw new Error(`line ${fate.line}: this fate is of no block`);
      }
      readProse(page, line, at + 1);
      continue;
    }
    const [, indent = "", language = ""] = fence;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    if (end < 0) throw new Error(`line ${at + 1}: the block does not end`);
    if (!languages.includes(language)) {
      throw new Error(
        `line ${at + 1}: a block's language is one of ${languages.join(", ")}, not "${language}"`,
      );
    }
    if (commands.includes(language) !== (fate !== undefined)) {
      const problem = fate === undefined ? "a block of commands without a fate" : "a fate for no commands";
      throw new Error(`line ${at + 1}: ${problem}`);
    }
    const content = lines.slice(at + 1, end).map((each) => each.slice(indent.length));
    const { before = "" } = fate ?? {};
    page.blocks.push({ line: at + 1, language, text: content.join("\n"), fate: fate?.fate, before });
    fate = undefined;
    at = end;
  }
  if (fate !== undefined) throw new Error(`line ${fate.line}: this fate is of no block`);
  return page;
}

function parseFate(words: string, line: number): Fate {
  if (words === "run") return { kind: "run" };
  if (words === "run on the host") return { kind: "host", user: "dev" };
  if (words === "run on the host as root") return { kind: "host", user: "root" };
  const until = /^run until (\S+)$/.exec(words)?.[1];
  if (until !== undefined) return { kind: "interrupt", until: new RegExp(until) };
  const file = /^run by (tests\/\S+\.test\.ts)$/.exec(words)?.[1];
  if (file !== undefined) return { kind: "elsewhere", file };
  const reason = /^parse, because (.+)$/.exec(words)?.[1];
  if (reason !== undefined) return { kind: "parse", reason };
  throw new Error(`line ${line}: no such fate: ${words}`);
}

function readProse(page: Page, line: string, number: number): void {
  const heading = /^#+ (.*)$/.exec(line)?.[1];
  if (heading !== undefined) page.anchors.push(anchorOf(heading));
  for (const [, id = ""] of line.matchAll(/<a id="([^"]+)">/g)) page.anchors.push(id);
  for (const [, text = ""] of line.matchAll(/`([^`]+)`/g)) page.code.push({ line: number, text });
  for (const [, text = ""] of line.replaceAll(/`[^`]+`/g, "").matchAll(/\]\(([^)]+)\)/g)) {
    page.links.push({ line: number, text });
  }
}

/** As GitHub names headings: lower case, without punctuation, dashes for spaces. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** The commands of a block, and what each prints, where the page shows it. A command may go on on further lines. */
export function consoleCommands(text: string): { command: string; output: string }[] {
  const found: { command: string; output: string }[] = [];
  for (const line of text.split("\n")) {
    const last = found.at(-1);
    if (line.startsWith("$ ")) found.push({ command: line.slice(2), output: "" });
    else if (last === undefined) throw new Error(`output without a command: ${line}`);
    else last.output += `${line}\n`;
  }
  return found;
}
