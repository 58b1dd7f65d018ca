/** The root helper personality. */
import { toBangerError } from "../base/base.ts";
import { journal } from "../rpc/rpc.ts";
import { places } from "./places.ts";
import { startHelper } from "./run.ts";

/** All of the environment that programs started from here get to see. */
const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" };

export async function main(words: readonly string[]): Promise<void> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, environment);
  process.chdir("/");
  process.umask(0o077);
  const log = journal();
  process.on("uncaughtException", (error) =>
    log.error("uncaught", { error: error.message, stack: error.stack }),
  );
  process.on("unhandledRejection", (error) => log.error("unhandled", { error: String(error) }));
  try {
    if (words.includes("--clear")) {
      await (await import("./clear.ts")).clear(places);
      process.exit(0);
    }
    const server = await startHelper(places, log);
    const stop = () => {
      // VMs run on: they are in control groups and sessions of their own.
      server.close();
      log.info("bangerd-root ends", { pid: process.pid });
      process.exit(0);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, stop);
    process.on("SIGHUP", () => {});
  } catch (error) {
    const { message, hint } = toBangerError(error);
    process.stderr.write(`bangerd-root: ${message}\n${hint === undefined ? "" : `  ${hint}\n`}`);
    process.exit(1);
  }
}
