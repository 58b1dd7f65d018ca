/** bangerd's way to the root helper: a connection that is opened when it is needed, and anew after a restart. */
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
  /** Throws what the helper throws; unavailable when it does not run. */
  call<M extends HelperMethod>(
    method: M,
    params: HelperParams<M>,
    signal?: AbortSignal,
  ): Promise<HelperResult<M>>;
}

export function helperAt(socket: string): Helper {
  let connection: Promise<HelperClient> | undefined;
  const connected = (): Promise<HelperClient> => {
    connection ??= open(socket).then(
      (client) => {
        void client.closed.then(() => {
          connection = undefined;
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
  return {
    call: async (method, params, signal) =>
      (await connected()).call(method, params, signal === undefined ? {} : { signal }),
  };
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
