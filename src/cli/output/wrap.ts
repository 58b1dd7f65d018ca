/** Words on lines of bounded length. */

/** A word that is longer than `columns` stays whole. The first line may have a width of its own. */
export function wrapWords(text: string | readonly string[], columns: number, first = columns): string[] {
  const lines: string[] = [];
  for (const word of typeof text === "string" ? text.split(" ") : text) {
    const last = lines.at(-1);
    const room = lines.length === 1 ? first : columns;
    if (last !== undefined && Bun.stringWidth(`${last} ${word}`) <= room) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
