/** How much of a command reaches a guest. */

/** A command and its arguments travel in one frame of the agent's protocol, which holds its directory too. */
export const maxCommandBytes = 56 * 1024;

/** What `argv` takes of that. */
export function commandBytes(argv: readonly string[]): number {
  return argv.reduce((sum, word) => sum + Buffer.byteLength(word) + 4, 0);
}
