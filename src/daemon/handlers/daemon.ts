/** ping, daemon.*, disk.* and config.* methods. */
import { commit, version } from "../../base/version.ts";
import type { Handlers } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";
import { diskUsage } from "../usage.ts";

export function daemonHandlers(
  parts: Parts,
): Pick<
  Handlers,
  | "ping"
  | "daemon.status"
  | "daemon.stop"
  | "daemon.operations.list"
  | "disk.usage"
  | "config.defaults"
  | "ssh.config"
> {
  return {
    ping: async (_params, ctx) => ({
      ...{ version, commit, pid: process.pid, others: ctx.others().length },
      state: parts.paths.vm.vms,
    }),
    "daemon.status": () => parts.status(),
    "daemon.stop": async () => {
      parts.stop();
      return {};
    },
    "daemon.operations.list": async (_params, ctx) => ctx.others(),
    "disk.usage": () => diskUsage(parts),
    "ssh.config": async () => ({
      identityFile: await parts.ssh.identityFile(),
      knownHostsFile: parts.ssh.knownHosts,
    }),
    "config.defaults": async () => ({
      ...parts.defaults(),
      image: {
        value: parts.config.default_image_name,
        from: parts.config.default_image_name === "debian-bookworm" ? "builtin" : "config",
      },
      projectNat: parts.config.project_nat,
      configPath: parts.paths.config,
      configChanged: parts.configChanged(),
    }),
  };
}
