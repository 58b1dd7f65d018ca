/** Bytes of a terminal in raw mode as keys. */

const named: Readonly<Record<string, string>> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  k: "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  j: "down",
  "\x1b[5~": "page-up",
  "\x1b[6~": "page-down",
  "\x1b[H": "home",
  "\x1bOH": "home",
  "\x1b[1~": "home",
  g: "home",
  "\x1b[F": "end",
  "\x1bOF": "end",
  "\x1b[4~": "end",
  G: "end",
  "\r": "enter",
  "\n": "enter",
  "\x1b": "escape",
  "\x03": "quit",
  "\x1a": "suspend",
  "\x0c": "redraw",
};

/** A whole sequence of CSI or SS3 (ECMA-48), else one character. */
const one = /\x1b\[[0-9;?]*[ -/]*[@-~]|\x1bO[A-Za-z]|[\s\S]/gu;

/** The keys of what was typed at once: their names, or the character itself. Sequences that are nobody's are dropped. */
export function keysOf(typed: string): string[] {
  return (typed.match(one) ?? []).flatMap((key) => named[key] ?? (key.startsWith("\x1b") ? [] : [key]));
}
