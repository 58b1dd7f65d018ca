/** The end of a log as lines, and which of them one looks at. What a guest writes is bounded here, and made harmless. */
import { StringDecoder } from "node:string_decoder";
import { escapeLine } from "../output/escape.ts";

const mostLines = 2_000;
/** What is kept of a line that does not end. */
const longestLine = 2_000;
const colour = /\x1b\[[0-9;]{0,32}m/g;

export class LogLines {
  readonly #decoder = new StringDecoder("utf8");
  readonly #lines: string[] = [];
  #rest = "";
  /** How many lines there are below what is shown. */
  #below = 0;

  add(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.write(Buffer.from(chunk))).split("\n");
    this.#rest = (lines.pop() ?? "").slice(0, longestLine);
    for (const line of lines) this.#lines.push(harmless(line));
    // Who has scrolled up goes on to see the same.
    if (this.#below > 0) this.#below += lines.length;
    if (this.#lines.length > mostLines) this.#lines.splice(0, this.#lines.length - mostLines);
  }

  get isAtEnd(): boolean {
    return this.#below === 0;
  }

  /** Up is positive. */
  scroll(by: number, room: number): void {
    const most = Math.max(0, this.#all().length - room);
    this.#below = Math.max(0, Math.min(most, this.#below + by));
  }

  toEnd(): void {
    this.#below = 0;
  }

  last(room: number): string[] {
    const all = this.#all();
    const end = Math.max(Math.min(room, all.length), all.length - this.#below);
    return all.slice(Math.max(0, end - room), end);
  }

  #all(): string[] {
    return this.#rest === "" ? this.#lines : [...this.#lines, harmless(this.#rest)];
  }
}

/** Without colours, and with nothing else that a terminal obeys. Of what was overwritten by a carriage return the last stays. */
function harmless(line: string): string {
  const shown = line.slice(0, longestLine).replace(/\r+$/, "").split("\r").at(-1) ?? "";
  return escapeLine(shown.replaceAll(colour, "").replaceAll("\t", "    "));
}
