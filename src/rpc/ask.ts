/** One question to a daemon that may not be there: nothing is started, nothing is waited for. */
import { BangerError } from "../base/base.ts";
import { type Client, connect, type Peer } from "./client.ts";
import type { Owner } from "./contract.ts";
import type { Table } from "./table.ts";

/** Undefined when nobody answers on the socket, or not before the question was given up. Throws denied for another's socket. */
export async function askIfThere<A, T extends Table = Owner>(
  socket: string,
  question: (client: Client<T>) => Promise<A>,
  peer?: Peer,
): Promise<A | undefined> {
  try {
    const client = await connect<T>(socket, peer);
    try {
      return await question(client);
    } finally {
      client.close();
    }
  } catch (error) {
    const silent = error instanceof BangerError && ["unavailable", "cancelled"].includes(error.code);
    if (silent) return undefined;
    throw error;
  }
}
