/** What the services have made in the kernel, removed in one stroke by the one who knows what that is. */
import { runChecked } from "../../sys/sys.ts";

/** `self` is how this very executable is run: the installed one may be gone already, or half there. */
export async function clearKernel(self: readonly string[]): Promise<void> {
  const [program = "", ...script] = self;
  await runChecked(program, [...script, "internal", "helper", "--clear"]);
}
