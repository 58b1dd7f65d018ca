/**
 * The builder personality, in system mode: builds one image for the daemon, which is at the other end of standard input
 * and output. systemd starts it when bangerd connects, as the owner, in a sandbox in which building is possible; it ends
 * when the connection does, and what it was at is taken back.
 */
import { join } from "node:path";
import { Duplex } from "node:stream";
import { BangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import { systemPaths } from "../config/paths.ts";
import { downloadsIn } from "../release/release.ts";
import { builder, journal, serveConnection } from "../rpc/rpc.ts";
import { type BuildPlaces, buildNamed } from "./build-named.ts";

/** The service's own, and gone with it. Not TMPDIR, which has room for Bun's own needs alone. */
const temporary = "/var/tmp";

export async function main(): Promise<void> {
  process.chdir("/");
  process.umask(0o077);
  const log = journal();
  process.on("uncaughtException", (error) =>
    log.error("uncaught", { error: error.message, stack: error.stack }),
  );
  process.on("unhandledRejection", (error) => log.error("unhandled", { error: String(error) }));
  // Where the store is depends on nobody's home.
  const { state, cache } = systemPaths("/");
  const places: BuildPlaces = {
    images: join(state, "images"),
    kernels: join(state, "kernels"),
    downloads: downloadsIn(cache),
    temporary,
  };
  const connection = Duplex.from({ readable: process.stdin, writable: process.stdout });
  let work: Promise<unknown> | undefined;
  const closed = serveConnection(connection, process.stdin.fd, {
    table: builder,
    program: { name: "bangerd-build", versionHint: "sudo banger system restart" },
    handlers: {
      ping: async () => ({ version, commit, pid: process.pid }),
      "image.build": (request, ctx) => {
        if (work !== undefined) throw new BangerError("precondition", "a connection is for one build");
        const building = buildNamed(request, places, ctx.signal, (message) => ctx.emit({ message }));
        work = building;
        return building;
      },
    },
    log,
  });
  process.once("SIGTERM", () => connection.destroy());
  await closed;
  await work?.catch(() => {
    // The daemon was told, or has gone.
  });
  process.exit(0);
}
