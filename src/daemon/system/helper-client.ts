/**
 * bangerd's way to the root helper: a connection that is opened when it is needed, and anew after a restart. A call waits
 * for a helper that systemd is starting again, and one that was under way when it ended is made once more: all of them but
 * the launch of a machine bear repetition.
 */
import { BangerError } from "../../base/base.ts";
import { commit, version } from "../../base/version.ts";
import {
  connectHelper,
  type HelperClient,
  type HelperMethod,
  type HelperParams,
  type HelperResult,
} from "../../rpc/rpc.ts";

export interface Helper {
  /** Throws what the helper throws; unavailable when it does not run, or ended meanwhile. */
  call<M extends HelperMethod>(
    method: M,
    params: HelperParams<M>,
    signal?: AbortSignal,
  ): Promise<HelperResult<M>>;
}

/** A helper is up again in half a second; on a slow host much later. Both services are started at once, too. In ms. */
const absentMs = 30_000;
const pauseMs = 50;

export function helperAt(socket: string): Helper {
  let connection: Promise<HelperClient> | undefined;
  let absentSince = Date.now();
  const connected = (): Promise<HelperClient> => {
    connection ??= open(socket).then(
      (client) => {
        void client.closed.then(() => {
          connection = undefined;
          absentSince = Date.now();
        });
        return client;
      },
      (error: unknown) => {
        connection = undefined;
        throw error;
      },
    );
    return connection;
  };
  const whenThere = async (signal?: AbortSignal): Promise<HelperClient> => {
    for (;;) {
      try {
        return await connected();
      } catch (error) {
        signal?.throwIfAborted();
        const absent = error instanceof BangerError && error.code === "unavailable";
        if (!absent || Date.now() - absentSince > absentMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
  return {
    call: async (method, params, signal) => {
      const options = signal === undefined ? {} : { signal };
      const client = await whenThere(signal);
      try {
        return await client.call(method, params, options);
      } catch (error) {
        const silent = error instanceof BangerError && error.code === "unavailable";
        if (!silent || method === "machine.launch" || !(await isClosed(client))) throw error;
        return (await whenThere(signal)).call(method, params, options);
      }
    },
  };
}

/** A helper that lives may say that something is unavailable, too. */
function isClosed(client: HelperClient): Promise<boolean> {
  const open = new Promise<boolean>((resolve) => setTimeout(resolve, pauseMs, false));
  return Promise.race([client.closed.then(() => true), open]);
}

/** Two builds may disagree about what a request means: neither works with the other. */
async function open(socket: string): Promise<HelperClient> {
  const client = await connectHelper(socket);
  const theirs = await client.call("ping", {});
  if (theirs.version === version && theirs.commit === commit) return client;
  client.close();
  throw new BangerError(
    "bad_version",
    `bangerd-root is ${theirs.version} (${theirs.commit}), bangerd is ${version} (${commit})`,
    { hint: "bring both to one version: sudo banger system restart" },
  );
}
