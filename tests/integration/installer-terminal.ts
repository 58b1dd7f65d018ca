/** install.sh at a terminal: what somebody sees there, and types. */
import { join } from "node:path";
import type { Bed, Person } from "./installer-fixture.ts";

/** Types `keys` when `prompt` has come. The script comes by a pipe all the same. */
export async function onTerminal(
  bed: Bed,
  person: Person,
  args: readonly string[],
  prompt: string,
  keys: string,
): Promise<{ status: number; screen: string }> {
  let screen = "";
  let typed = false;
  const become = process.getuid?.() === 0 ? "setpriv --reuid=nobody --regid=nogroup --clear-groups" : "";
  const child = Bun.spawn(
    ["bash", "-c", `cat "$0" | ${become} bash -s -- "$@"`, join(bed.dir, "install.sh"), ...args],
    {
      cwd: person.home,
      env: person.env,
      terminal: {
        ...{ cols: 120, rows: 50 },
        data: (terminal, bytes: Uint8Array) => {
          screen += Buffer.from(bytes).toString();
          if (typed || !screen.includes(prompt)) return;
          typed = true;
          terminal.write(keys);
        },
      },
    },
  );
  const status = await child.exited;
  return { status, screen };
}
