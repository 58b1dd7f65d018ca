/**
 * The rpc room: how the personalities of banger talk to each other.
 *
 * Owns the contract table, the wire (JSON-RPC 2.0 over a unix socket, frames of bounded size), typed client and
 * server, peer credentials, and raw streams by ticket. Promises: params, results and events are parsed on both sides;
 * a peer that sends garbage loses its connection and nobody else's; cancellation reaches the handler's AbortSignal.
 * Never knows what the methods do.
 *
 * The CLI imports contract.ts's types through here, and nothing of the daemon's.
 */
export { type Client, type CallOptions, connect } from "./client.ts";
export * from "./contract.ts";
export { type CallContext, type Handlers, type Server, serve } from "./server.ts";
