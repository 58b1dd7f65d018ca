/** ping, daemon.* and config.* methods. */
import { commit, version } from "../../base/version.ts";
import type { Handlers } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";

export function daemonHandlers(
  parts: Parts,
): Pick<Handlers, "ping" | "daemon.status" | "daemon.stop" | "config.defaults"> {
  return {
    ping: async (_params, ctx) => ({ version, commit, pid: process.pid, others: ctx.otherClients() }),
    "daemon.status": () => parts.status(),
    "daemon.stop": async () => {
      parts.stop();
      return {};
    },
    "config.defaults": async () => ({
      ...parts.defaults(),
      image: {
        value: parts.config.default_image_name,
        from: parts.config.default_image_name === "debian-bookworm" ? "builtin" : "config",
      },
      configPath: parts.paths.config,
    }),
  };
}
