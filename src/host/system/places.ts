/** Every file and directory of a system installation. Tests put all of them below a directory of their own. */
import { join } from "node:path";
import { placeBelow } from "../../config/installed.ts";
import {
  builderSocket,
  helperSocket,
  installFile,
  systemFirecracker,
  systemPaths,
} from "../../config/paths.ts";
import type { UnitTexts } from "./units.ts";

export interface Places {
  /** The one executable's name: a link to that of one version. */
  executable: string;
  /** Of a directory for each version: config/installed.ts. */
  versions: string;
  /** What `banger update` keeps. */
  updates: string;
  /** The executable's other names: it knows by them who it is. */
  links: readonly string[];
  /** Of `links`, versions, and an empty directory that services mount over. */
  library: string;
  /** What `banger firecracker install` has put there as root. */
  firecracker: string;
  installFile: string;
  units: Record<keyof UnitTexts, string>;
  /** Of manual pages; used where there is a directory for it. */
  manual: string;
  /** On a host with udev. */
  udevRules: string;
  /** The owner's. */
  state: string;
  cache: string;
  /** Root's. */
  jail: string;
  runtimes: readonly string[];
  sockets: { daemon: string; helper: string; builder: string };
  /** Control groups of machines. */
  machines: string;
  /** The kernel's table of network links. */
  networkLinks: string;
  /** There while systemd is the one that runs (sd_booted(3)). */
  systemdRuns: string;
  lock: string;
}

export function systemPlaces(root = "/"): Places {
  const below = (path: string) => join(root, path);
  // The home matters only for the owner's configuration, which is none of the installation's business.
  const daemon = systemPaths("/");
  const { link, library, versions } = placeBelow(below("/usr/local"));
  return {
    executable: link,
    versions,
    updates: join(library, "updates"),
    links: ["bangerd", "bangerd-root", "bangerd-build"].map((name) => join(library, name)),
    library,
    firecracker: below(systemFirecracker),
    installFile: below(installFile),
    units: {
      daemon: below("/etc/systemd/system/bangerd.service"),
      helper: below("/etc/systemd/system/bangerd-root.service"),
      builderSocket: below("/etc/systemd/system/bangerd-build.socket"),
      builder: below("/etc/systemd/system/bangerd-build@.service"),
    },
    manual: below("/usr/local/share/man/man1"),
    udevRules: below("/etc/udev/rules.d/59-banger.rules"),
    state: below(daemon.state),
    cache: below(daemon.cache),
    jail: below("/var/lib/banger-jail"),
    runtimes: [below(daemon.runtime), below("/run/banger-root")],
    sockets: { daemon: below(daemon.socket), helper: below(helperSocket), builder: below(builderSocket) },
    machines: below("/sys/fs/cgroup/banger"),
    networkLinks: below("/sys/class/net"),
    systemdRuns: below("/run/systemd/system"),
    lock: below("/run/banger-system.lock"),
  };
}
