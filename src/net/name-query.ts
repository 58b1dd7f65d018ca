/** A question to a name server, to see whether it answers: what it says is of no interest (RFC 1035, section 4). */

/** An A query, by `id` (16 bits), for a name that images come from. */
export function nameQuery(id: number): Buffer {
  const labels = ["deb", "debian", "org"].flatMap((label) => [label.length, ...Buffer.from(label)]);
  // Header: id, recursion desired, one question; then the name, type A, class IN.
  return Buffer.from([id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

/** Any answer with its id is one, also that there is no such name. */
export function answersNameQuery(message: Buffer, id: number): boolean {
  return message.length >= 12 && message.readUInt16BE(0) === id && ((message[2] ?? 0) & 0x80) !== 0;
}
