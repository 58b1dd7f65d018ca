/** The CLI personality: runs one command against this user's daemon and ends the process. */
import { runProcess } from "./run-process.ts";

/** Never returns. */
export async function main(words: readonly string[]): Promise<never> {
  return runProcess(words, {
    client: async (signal) => (await import("../rpc/ensure-daemon.ts")).ensureDaemon({ signal }),
    running: async (signal) => (await import("../rpc/ensure-daemon.ts")).connectIfRunning({ signal }),
    paths: async () => {
      const { mode, reason, paths } = await (await import("../rpc/choose-daemon.ts")).chooseDaemon();
      return { mode, reason, socket: paths.socket, daemonLog: paths.daemonLog };
    },
  });
}
