/** The daemon's way to the root helper: the same wire, another table. */
import { type Client, connect } from "./client.ts";
import type { Helper } from "./helper-contract.ts";

export type HelperClient = Client<Helper>;

/** Throws unavailable when the helper does not run, denied for anybody but root and the owner. */
export function connectHelper(socketPath: string): Promise<HelperClient> {
  return connect<Helper>(socketPath, {
    program: "bangerd-root",
    lostHint: "see why: journalctl -u bangerd-root",
    deniedHint: "only root and the owner named in /etc/banger/install.toml may use it",
    absentHint:
      "sudo banger system restart, and then the same command again; if that is no help: banger doctor",
  });
}
