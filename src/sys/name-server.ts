/** Whom this host asks for names. */
import { readFileSync } from "node:fs";

/** The first name server that the host asks and that is not the host itself. */
export function hostNameServer(): string | undefined {
  // systemd-resolved's own list comes first: /etc/resolv.conf may name only its stub.
  for (const path of ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"]) {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch {
      // A host without one.
      continue;
    }
    const servers = [...text.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map((match) => match[1]);
    const outside = servers.find((server) => server !== undefined && !server.startsWith("127."));
    if (outside !== undefined) return outside;
  }
  return undefined;
}
