/** Listening on a unix socket for as long as the process wants to, also when somebody removes the socket. */
import {
  chmodSync,
  existsSync,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  watch,
} from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";

const maxConnections = 512;

/** Whose a socket and its directory are. Both are called again whenever the socket had to be made anew. */
export interface SocketPlace {
  /** Makes the socket's directory, or refuses it. */
  prepare(directory: string): void;
  /** Called when the socket is bound and its mode 0600, before anybody is served. */
  bound?(socketPath: string): void;
}

/** A directory that is this user's alone. */
export const userSocket: SocketPlace = { prepare: privateDirectory };

export interface Listening {
  close(): void;
}

/**
 * Listens. The socket's directory is made as `place` says; a stale socket is replaced. When the directory is removed
 * (logind does it at a user's last logout), it is made again, and connections go on.
 */
export async function listen(
  path: string,
  place: SocketPlace,
  onConnection: (socket: Socket) => void,
  onTrouble: (what: string) => void,
): Promise<Listening> {
  let closed = false;
  let watcher: FSWatcher | undefined;
  const servers: Server[] = [];
  const open = async () => {
    place.prepare(dirname(path));
    servers.push(await listening(path, place, onConnection, onTrouble));
    watcher?.close();
    watcher = watch(dirname(path), look);
    watcher.on("error", look);
    look();
  };
  let opening = false;
  const look = () => {
    if (closed || opening || existsSync(path)) return;
    opening = true;
    onTrouble("the socket was removed: listening anew");
    open()
      .catch((error: unknown) => onTrouble(String(error)))
      .finally(() => {
        opening = false;
      });
  };
  await open();
  return {
    close: () => {
      closed = true;
      watcher?.close();
      for (const server of servers) server.close();
      rmSync(path, { force: true });
    },
  };
}

function listening(
  path: string,
  place: SocketPlace,
  onConnection: (socket: Socket) => void,
  onTrouble: (what: string) => void,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.maxConnections = maxConnections;
  // Under another name, no longer than its own (sun_path), until it is whose it is to be: who came before that would be denied.
  const aside = join(dirname(path), ".new");
  rmSync(aside, { force: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(aside, () => {
      try {
        chmodSync(aside, 0o600);
        place.bound?.(aside);
        renameSync(aside, path);
      } catch (error) {
        server.close();
        return reject(error);
      }
      server.off("error", reject);
      server.on("error", (error) => onTrouble(error.message));
      resolve(server);
    });
  });
}

/** Makes the directory, or checks that it is this user's alone. Throws denied. */
export function privateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new BangerError("denied", `${path} is not a directory of yours`, {
      hint: "set XDG_RUNTIME_DIR to one that is",
    });
  }
  chmodSync(path, 0o700);
}
