/** A terminal's screen, drawn by lines: only those that have changed are written, all in one write. */

export class Screen {
  #shown: string[] | undefined;

  constructor(private readonly out: { write(text: string): unknown }) {}

  /** `lines` must fit it: it does not wrap. Erased is before: behind a whole line the cursor is on its last character still. */
  draw(lines: readonly string[]): void {
    const before = this.#shown;
    this.#shown = [...lines];
    const changes = lines.flatMap((line, index) =>
      before?.[index] === line ? [] : [`${to(index)}\x1b[K${line}`],
    );
    if (before === undefined) changes.unshift("\x1b[2J");
    else if (lines.length < before.length) changes.push(`${to(lines.length)}\x1b[J`);
    if (changes.length > 0) this.out.write(changes.join(""));
  }

  /** Nobody knows what it shows: the next drawing is a whole one. */
  forget(): void {
    this.#shown = undefined;
  }
}

function to(line: number): string {
  return `\x1b[${line + 1};1H`;
}
