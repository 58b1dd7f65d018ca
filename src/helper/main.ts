/** The root helper's place: nothing of banger needs root yet, so it refuses to start. */
export async function main(words: readonly string[]): Promise<void> {
  if (words.includes("--clear")) return (await import("./clear.ts")).clear();
  process.stderr.write(
    "bangerd-root: this version of banger has no privileged part, so there is nothing for it to do\n" +
      "  user mode needs no root: just run banger vm run\n",
  );
  process.exitCode = 1;
}
