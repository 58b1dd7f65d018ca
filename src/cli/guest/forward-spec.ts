/** `[HOSTADDR:]HOST:GUEST`, or one number for both: a port of this host that leads to one of a guest. */
import { type Repeated, Unfit } from "../option.ts";

export interface ForwardSpec {
  /** An address of this host, without brackets. */
  address: string;
  /** 0: any that is free. */
  hostPort: number;
  guestPort: number;
}

export const forwardExplained = "[HOSTADDR:]HOST:GUEST";

/** A flag with one of them, for as many as there are. */
export function manyForwards(description: string, short?: string): Repeated<ForwardSpec> {
  return {
    kind: "repeated",
    required: false,
    value: forwardExplained,
    description,
    short,
    read: readForward,
  };
}

/** Throws Unfit. */
export function readForward(given: string): ForwardSpec {
  const [, address, host, guest] = /^(?:(?:(.*):)?([^:]+):)?([^:]+)$/s.exec(given) ?? [];
  if (guest === undefined) throw new Unfit("is not HOST:GUEST");
  const guestPort = readPort(guest, 1);
  const hostPort = host === undefined ? guestPort : readPort(host, 0);
  return { address: readAddress(address), hostPort, guestPort };
}

function readPort(given: string, least: number): number {
  const port = /^[0-9]{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port >= least && port <= 65535) return port;
  throw new Unfit(
    `has no port in ${JSON.stringify(given)} (1 to 65535${least === 0 ? "; 0: any that is free" : ""})`,
  );
}

function readAddress(given: string | undefined): string {
  if (given === undefined || given === "localhost") return "127.0.0.1";
  const bare = /^\[([0-9a-f:.]*:[0-9a-f:.]*)\]$/i.exec(given)?.[1];
  if (bare !== undefined || isIPv4(given)) return bare ?? given;
  throw new Unfit(`${JSON.stringify(given)} is no address of this host (such as 127.0.0.1 or [::1])`);
}

/** Without node:net, which takes a tenth of a short command's time to load; of IPv6 the kernel judges. */
function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255);
}

/** Whether only programs on this host can come to it. */
export function isLoopback(address: string): boolean {
  return address === "::1" || /^127\./.test(address);
}

/** As in a URL. */
export function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
