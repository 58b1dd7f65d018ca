/** The units, as text: data of the project (systemd/), made for one owner. And what is told to udev. */

import udevRulesText from "../../../systemd/59-banger.rules" with { type: "text" };
import daemonUnit from "../../../systemd/bangerd.service" with { type: "text" };
import builderUnit from "../../../systemd/bangerd-build@.service" with { type: "text" };
import builderSocketUnit from "../../../systemd/bangerd-build.socket" with { type: "text" };
import helperUnit from "../../../systemd/bangerd-root.service" with { type: "text" };

/** Those that are started and enabled, in the order in which they start. A build's service is started by the socket. */
export const unitNames = {
  helper: "bangerd-root.service",
  builderSocket: "bangerd-build.socket",
  daemon: "bangerd.service",
} as const;

export const udevRules: string = udevRulesText;

export interface UnitTexts {
  daemon: string;
  helper: string;
  builderSocket: string;
  /** A template: an instance for each build. */
  builder: string;
}

/** `owner` has passed install.toml's schema: it holds nothing that a unit would read as more than a name. */
export function unitTexts(owner: string): UnitTexts {
  const of = (text: string) => text.replaceAll("@OWNER@", owner);
  return {
    daemon: of(daemonUnit),
    helper: helperUnit,
    builderSocket: of(builderSocketUnit),
    builder: of(builderUnit),
  };
}
