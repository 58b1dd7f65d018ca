/**
 * JSON with comments and trailing commas, as devcontainer.json is written (JSONC): strict in all else. Written here because a
 * command loads no package, and because JSON.parse does not say where it stopped.
 */
import { BangerError } from "../base/base.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const maxDepth = 64;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** A string's characters: none that is a control, escapes as JSON has them. */
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const words = { true: true, false: false, null: null } as const;

/** Throws bad_config with line and column. `file` is for the message. Objects have no prototype. */
export function parseJsonc(text: string, file: string): Json {
  const reader = new Reader(text, file);
  const value = reader.value(0);
  reader.space();
  if (!reader.atEnd()) throw reader.wrong("something follows the end");
  return value;
}

class Reader {
  #at: number;

  constructor(
    readonly text: string,
    readonly file: string,
  ) {
    this.#at = text.startsWith("\ufeff") ? 1 : 0;
  }

  atEnd(): boolean {
    return this.#at >= this.text.length;
  }

  wrong(what: string): BangerError {
    const before = this.text.slice(0, this.#at).split("\n");
    const place = `${this.file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    return new BangerError("bad_config", `${place}: ${what}`);
  }

  value(depth: number): Json {
    if (depth > maxDepth) throw this.wrong(`more than ${maxDepth} levels deep`);
    this.space();
    if (this.#take("{")) return this.#object(depth);
    if (this.#take("[")) return this.#array(depth);
    if (this.text[this.#at] === '"') return this.#string();
    const digits = this.#match(number);
    if (digits !== undefined) return Number(digits);
    for (const [word, meaning] of Object.entries(words)) if (this.#take(word)) return meaning;
    throw this.wrong(this.atEnd() ? "ends too early" : "not a value");
  }

  /** White space and comments. */
  space(): void {
    for (;;) {
      while (" \t\r\n".includes(this.text[this.#at] ?? "x")) this.#at += 1;
      const [open, close] = this.text.startsWith("//", this.#at) ? ["//", "\n"] : ["/*", "*/"];
      if (!this.text.startsWith(open, this.#at)) return;
      const end = this.text.indexOf(close, this.#at + open.length);
      if (end < 0 && close === "*/") throw this.wrong("a comment without an end");
      this.#at = end < 0 ? this.text.length : end + close.length;
    }
  }

  #object(depth: number): Json {
    const made: { [key: string]: Json } = Object.create(null);
    while (!this.#closed("}")) {
      if (this.text[this.#at] !== '"') throw this.wrong("not a key in double quotes");
      const key = this.#string();
      if (key in made) throw this.wrong(`${JSON.stringify(key)} is there twice`);
      this.space();
      if (!this.#take(":")) throw this.wrong("no : behind the key");
      made[key] = this.value(depth + 1);
      this.#separated("}");
    }
    return made;
  }

  #array(depth: number): Json {
    const made: Json[] = [];
    while (!this.#closed("]")) {
      made.push(this.value(depth + 1));
      this.#separated("]");
    }
    return made;
  }

  #closed(bracket: string): boolean {
    this.space();
    return this.#take(bracket);
  }

  /** A comma, which may also be the last; else the end must follow. */
  #separated(bracket: string): void {
    this.space();
    if (!this.#take(",") && this.text[this.#at] !== bracket) throw this.wrong(`neither , nor ${bracket}`);
  }

  #string(): string {
    const found = this.#match(string);
    if (found === undefined) throw this.wrong("a string without an end, or with what may not be in one");
    return String(JSON.parse(found));
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #take(word: string): boolean {
    if (!this.text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }
}
