/**
 * The dns room: a name server for one zone.
 *
 * Owns the wire format, the zone's answers, and the sockets on the host's loopback. Promises: whatever is sent to it, it
 * answers with little more than it was sent, or not at all, and asks nobody else. Never knows what a name stands for: who
 * opens it says so, for each question.
 */
export { type NameServer, openNameServer, usualPort } from "./server.ts";
export type { Lookup } from "./zone.ts";
