import { systemFirecracker } from "../config/paths.ts";

/** Where the helper finds and makes things. Constants: nothing in the environment or in a request can move them. */
export interface Places {
  install: string;
  config: string;
  socket: string;
  /** The owner's: bangerd's state. */
  state: string;
  /** Where jails are unless the root-owned config says otherwise. Root's. */
  jails: string;
  /** The cgroup2 file system. */
  cgroups: string;
  /** Where programs are looked for, firecracker and jailer unless the root-owned config says otherwise. The first may be a link. */
  programs: readonly string[];
  /** The device-mapper's nodes. */
  mapper: string;
}

export const places: Places = {
  install: "/etc/banger/install.toml",
  config: "/etc/banger/config.toml",
  socket: "/run/banger-root/bangerd-root.sock",
  state: "/var/lib/banger",
  jails: "/var/lib/banger-jail",
  cgroups: "/sys/fs/cgroup",
  programs: [`${systemFirecracker}/current`, "/usr/local/bin", "/usr/bin"],
  mapper: "/dev/mapper",
};
