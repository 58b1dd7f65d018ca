/** What a guest without an agent says of itself, read from its /proc. All of it may be a lie, and none of it harms. */
import type { GuestStats, ListeningPort } from "./guest.ts";

export const portsScript =
  'for t in tcp tcp6 udp udp6; do echo "= $t"; cat /proc/net/$t 2>/dev/null || true; done';
export const statsScript =
  "cat /proc/uptime /proc/loadavg; echo /proc/[0-9]* | wc -w; df -kP / | tail -n 1; df -kP /root | tail -n 1; cat /proc/meminfo";

const maxPorts = 512;
const tcpListens = "0A";
const udpUnconnected = "07";

/** Lines of /proc/net/tcp and its kind (proc(5)). The listener's name is not known. */
export function portsOf(said: string): ListeningPort[] {
  const ports: ListeningPort[] = [];
  let protocol: "tcp" | "udp" = "tcp";
  for (const line of said.split("\n")) {
    if (line.startsWith("= ")) protocol = line.startsWith("= udp") ? "udp" : "tcp";
    const found =
      /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]{2}) /.exec(line);
    if (found === null || ports.length >= maxPorts) continue;
    const [, address = "", port = "", , state] = found;
    if (state !== (protocol === "tcp" ? tcpListens : udpUnconnected)) continue;
    ports.push({ protocol, address: addressOf(address), port: Number.parseInt(port, 16), process: "" });
  }
  return ports;
}

/** The kernel prints words of four bytes in the machine's own order. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, "hex").reverse()]);
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  // The longest run of zeros is left out, as people write it (RFC 5952, 4.2).
  const text = groups.join(":");
  const zeros = (text.match(/(^|:)0(:0)+(?=:|$)/g) ?? []).sort((a, b) => b.length - a.length)[0];
  if (zeros === undefined) return text;
  const at = text.indexOf(zeros);
  return `${text.slice(0, at)}::${text.slice(at + zeros.length).replace(/^:/, "")}`;
}

export function statsOf(said: string): GuestStats {
  const [uptime = "", load = "", processes = "", root = "", work = "", ...memory] = said.split("\n");
  const [one = 0, five = 0, fifteen = 0] = load.split(" ").map(numberOf);
  const kilobytes = (name: string) =>
    numberOf(memory.find((line) => line.startsWith(`${name}:`))?.split(/\s+/)[1]) * 1024;
  const disk = (line: string, column: number) => numberOf(line.trim().split(/\s+/)[column]) * 1024;
  return {
    uptimeSeconds: Math.floor(numberOf(uptime.split(" ")[0])),
    load: [one, five, fifteen],
    memoryTotalBytes: kilobytes("MemTotal"),
    memoryAvailableBytes: kilobytes("MemAvailable"),
    rootTotalBytes: disk(root, 1),
    rootFreeBytes: disk(root, 3),
    workTotalBytes: disk(work, 1),
    workFreeBytes: disk(work, 3),
    processes: numberOf(processes.trim()),
  };
}

/** 0 for what is none, and no more than can be counted exactly. */
function numberOf(text: string | undefined): number {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? Math.min(value, Number.MAX_SAFE_INTEGER / 1024) : 0;
}
