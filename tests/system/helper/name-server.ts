/** Runs in the emulated host: a name server that knows `known.vm`, and writes down what it is asked. Arguments: port, log. */
import { appendFileSync } from "node:fs";

const [port, log = ""] = process.argv.slice(2);
const address = [203, 0, 113, 77];

/** Labels after the header of 12 bytes (RFC 1035, 4.1.2). */
function asked(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

await Bun.udpSocket({
  hostname: "127.0.0.1",
  port: Number(port),
  socket: {
    data: (socket, query, from, sender) => {
      const { name, type, end } = asked(query);
      appendFileSync(log, `${name}\n`);
      const known = name === "known.vm" && type === 1;
      const header = Buffer.from(query.subarray(0, 12));
      // A response, authoritative; NXDOMAIN for every other name.
      header.writeUInt16BE(name === "known.vm" ? 0x8580 : 0x8583, 2);
      header.writeUInt16BE(known ? 1 : 0, 6);
      header.writeUInt32BE(0, 8);
      const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address]);
      socket.send(Buffer.concat([header, query.subarray(12, end), ...(known ? [answer] : [])]), from, sender);
    },
  },
});
