/** What listens in a guest, as people want to see it: a row a port, with where to reach it. */
import type { Result } from "../../rpc/contract.ts";

type ListeningPort = Result<"vm.ports">[number];

export interface Listener {
  /** By the VM's name. */
  endpoint: string;
  protocol: "tcp" | "udp";
  port: number;
  /** `*` for all of them. */
  addresses: string[];
  process: string;
  link: string | null;
}

/** By what they are for, as far as a number tells. */
const https = new Set([443, 8443]);
const isHttp = (port: number) =>
  port === 80 || port === 4200 || port === 5173 || /^(3|5|8)0[0-9]{2}$/.test(String(port)) || port === 8888;

/** Those of one port, protocol and program are one, in the order of their ports. */
export function listenersOf(vm: string, ports: readonly ListeningPort[]): Listener[] {
  const found = new Map<string, Listener>();
  for (const { protocol, port, address, process } of ports) {
    const key = `${protocol} ${port} ${process}`;
    const name = everyAddress.has(address) ? "*" : address;
    const known = found.get(key);
    if (known !== undefined) known.addresses.push(name);
    else {
      const endpoint = `${vm}.vm:${port}`;
      found.set(key, { endpoint, protocol, port, addresses: [name], process, link: null });
    }
  }
  return [...found.values()]
    .map((each) => {
      const addresses = each.addresses.includes("*") ? ["*"] : [...new Set(each.addresses)];
      return { ...each, addresses, link: linkOf(each) };
    })
    .sort((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

const everyAddress = new Set(["0.0.0.0", "::"]);

function linkOf({ protocol, port, addresses, endpoint }: Listener): string | null {
  // A name leads to the guest's address, where what listens on its loopback is not to be had.
  if (protocol !== "tcp" || addresses.every((address) => address === "::1" || address.startsWith("127.")))
    return null;
  const host = endpoint.replace(/:(80|443)$/, "");
  if (https.has(port)) return `https://${host}/`;
  return isHttp(port) ? `http://${host}/` : null;
}
