/** What the zone `vm` answers: an address for each name directly in it, and nothing about other zones. */
import { bareReply, Class, Code, parseQuery, pointer, type Query, record, reply, Type } from "./message.ts";

const zone = "vm";
/** VMs come and go, and who asks is on this host: nothing is to be remembered, neither that a name is there nor that it is not. */
const ttlSeconds = 0;

/** The IPv4 address of a name in the zone, lower case; undefined when there is none. */
export type Lookup = (name: string) => Promise<string | undefined>;

/** The answer to a message; undefined where there is to be none. */
export async function answer(message: Buffer, lookup: Lookup): Promise<Buffer | undefined> {
  const query = parseQuery(message);
  if (query === undefined) return undefined;
  if (query.kind === "unfit") return bareReply(query.header, query.code);
  if (query.edns !== undefined && query.edns.version !== 0) return reply(query, { code: Code.badVersion });
  const ofClass = query.class === Class.internet || query.class === Class.any;
  if (!ofClass || query.labels.at(-1) !== zone) return reply(query, { code: Code.refused });
  return answerInZone(query, lookup);
}

async function answerInZone(query: Query, lookup: Lookup): Promise<Buffer> {
  const { labels, type } = query;
  const authority = [startOfAuthority(query)];
  const [name = "", ...rest] = labels;
  if (rest.length === 0) {
    const isAsked = type === Type.soa || type === Type.any;
    return reply(query, isAsked ? { code: Code.ok, answers: authority } : { code: Code.ok, authority });
  }
  // VMs have no names below their own.
  const address = rest.length === 1 ? await lookup(name) : undefined;
  if (address === undefined) return reply(query, { code: Code.noSuchName, authority });
  if (type !== Type.a && type !== Type.any) return reply(query, { code: Code.ok, authority });
  const bytes = Buffer.from(address.split(".").map(Number));
  return reply(query, { code: Code.ok, answers: [record(0, Type.a, ttlSeconds, bytes)] });
}

/** Its last number is for how long a "no" may be remembered (RFC 2308). */
function startOfAuthority({ question }: Query): Buffer {
  // Before the type, the class and the root's own byte.
  const zoneAt = question.length - 4 - 1 - (zone.length + 1);
  const numbers = Buffer.alloc(20);
  for (const [index, number] of [1, 3600, 600, 86_400, ttlSeconds].entries())
    numbers.writeUInt32BE(number, 4 * index);
  const server = pointer(zoneAt);
  const person = Buffer.concat([Buffer.from("\x0ahostmaster", "latin1"), pointer(zoneAt)]);
  return record(zoneAt, Type.soa, ttlSeconds, Buffer.concat([server, person, numbers]));
}
