/** The daemon's way to a build's service: the same wire, another table. */
import type { Builder } from "./builder-contract.ts";
import { type Client, connect } from "./client.ts";

export type BuilderClient = Client<Builder>;

/** Starts a builder, and throws unavailable where systemd listens for none. */
export function connectBuilder(socketPath: string): Promise<BuilderClient> {
  return connect<Builder>(socketPath, {
    program: "bangerd-build",
    lostHint: "see why: journalctl -u 'bangerd-build@*'",
    deniedHint: "only root and the owner named in /etc/banger/install.toml may use it",
  });
}
