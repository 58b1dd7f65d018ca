/** The command for a guest as it was typed: refused here, before a VM is made for it, when no guest can get it. */
import { BangerError, commandBytes, maxCommandBytes } from "../../base/base.ts";

/** Throws bad_request for a command that is empty or too long. */
export function checkCommandLine(argv: readonly string[]): void {
  if (argv[0] === "") throw new BangerError("bad_request", "the command after -- is empty");
  const bytes = commandBytes(argv);
  if (bytes <= maxCommandBytes) return;
  throw new BangerError(
    "bad_request",
    `the command has ${bytes} bytes with its arguments, and at most ${maxCommandBytes} reach a guest`,
    { hint: "put the long part into a file of the workspace, or send it by standard input" },
  );
}
