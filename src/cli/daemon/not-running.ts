/** What the daemon commands say when there is nothing to talk to. */
import { BangerError } from "../../base/base.ts";

export function notRunning(mode: "user" | "system"): BangerError {
  if (mode === "system") {
    return new BangerError("unavailable", "the system daemon does not answer", {
      hint: "systemd starts one that has ended again in a moment; if it stays so: sudo banger system restart, then banger doctor",
    });
  }
  return new BangerError("unavailable", "the daemon is not running", {
    hint: "the next command that needs it starts it, such as: banger vm list",
  });
}
