/**
 * Text from outside (guest, repository, config, names in errors) before it meets a terminal.
 *
 * A terminal obeys control characters: ESC starts sequences that retitle the window, move the cursor or answer on
 * stdin; CR and backspace rewrite what was printed; C1 is ESC in one character; bidi controls reorder what is read.
 */
const harmful =
  /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** One line of harmless text: what a terminal would obey is shown as an escape such as \x1b or \u202e. */
export function escapeLine(text: string): string {
  return text.replace(harmful, show);
}

/** Like escapeLine, but line breaks stay; for our own messages that may have several lines. */
export function escapeText(text: string): string {
  return text.split("\n").map(escapeLine).join("\n");
}

function show(char: string): string {
  if (char === "\n") return "\\n";
  if (char === "\t") return "\\t";
  if (char === "\r") return "\\r";
  const code = char.charCodeAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
