/** The two units, as text: data of the project (systemd/), made for one owner. */
import daemonUnit from "../../../systemd/bangerd.service" with { type: "text" };
import helperUnit from "../../../systemd/bangerd-root.service" with { type: "text" };

/** In the order in which they start. */
export const unitNames = { helper: "bangerd-root.service", daemon: "bangerd.service" } as const;

/** `owner` has passed install.toml's schema: it holds nothing that a unit would read as more than a name. */
export function unitTexts(owner: string): { daemon: string; helper: string } {
  return { daemon: daemonUnit.replaceAll("@OWNER@", owner), helper: helperUnit };
}
