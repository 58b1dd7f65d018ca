/**
 * The rpc room: how the personalities of banger talk to each other.
 *
 * Owns the three contract tables (the daemon's, the root helper's and the builder's), the wire (JSON-RPC 2.0 over a unix socket, frames of bounded size), typed client and
 * server, peer credentials, and raw streams by ticket. Promises: params are parsed strictly, results and events are
 * what the contract says; a peer that sends garbage loses its connection and nobody else's; cancellation reaches the
 * handler's AbortSignal. Never knows what the methods do.
 *
 * This face is the server's. The CLI, which must start fast, imports contract.ts (types), client.ts and
 * ensure-daemon.ts instead, and so loads neither schemas nor server.
 */
export { type BuilderClient, connectBuilder } from "./builder-client.ts";
export { type BuildRequest, builder } from "./builder-contract.ts";
export { type CallOptions, type Client, connect } from "./client.ts";
export * from "./contract.ts";
export { connectHelper, type HelperClient } from "./helper-client.ts";
export {
  type HelperMethod,
  type HelperParams,
  type HelperResult,
  type Home,
  helper,
  jailFiles,
  type Presence,
  type Saved,
} from "./helper-contract.ts";
export { journal } from "./journal.ts";
export { privateDirectory, type SocketPlace } from "./listen.ts";
export {
  type CallContext,
  type CallLog,
  type Handlers,
  type HandlersOf,
  type Server,
  serve,
  serveConnection,
} from "./server.ts";
