/** Colour and emphasis, only where somebody looks: on a terminal, and never with NO_COLOR. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  /** Background for foreground. */
  invert(text: string): string;
}

const plain = (text: string) => text;
const sgr = (on: number, off: number) => (text: string) => `\x1b[${on}m${text}\x1b[${off}m`;

/** NO_COLOR counts when it is present and not empty (no-color.org). */
export function styleFor(tty: boolean, env: Record<string, string | undefined>): Style {
  if (!tty || (env.NO_COLOR !== undefined && env.NO_COLOR !== "") || env.TERM === "dumb") {
    return { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, invert: plain };
  }
  return {
    ...{ bold: sgr(1, 22), dim: sgr(2, 22), invert: sgr(7, 27) },
    ...{ red: sgr(31, 39), green: sgr(32, 39), yellow: sgr(33, 39) },
  };
}
