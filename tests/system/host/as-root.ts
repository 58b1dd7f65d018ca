/** Making file systems whose files are root's: as root, or as the root of a user namespace of one's own. */
import { ownNamespace } from "../../../src/image/namespace.ts";
import { runChecked } from "../../../src/sys/sys.ts";

export async function asRoot(program: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  if (process.getuid?.() === 0) await runChecked(program, args, options);
  else await runChecked("unshare", [...ownNamespace, program, ...args], options);
}
