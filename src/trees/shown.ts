/** A name in a message: on one line, whatever is in it. What else a terminal would obey is escaped where it is printed. */
export function shown(name: Buffer | string): string {
  return name
    .toString()
    .replaceAll(/[\u0000-\u001f\u007f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
