/** What has gone over VMs' links: what the kernel counts for each TAP, by the VM that its alias names. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseTapAlias } from "../../net/net.ts";
import type { Traffic } from "../../vm/vm.ts";

/** By the VM's id. Readable for everybody: the helper need not be asked. */
export async function traffic(links = "/sys/class/net"): Promise<Map<string, Traffic>> {
  const names = await readdir(links).catch(() => []);
  const found = await Promise.all(
    names.map(async (tap): Promise<[string, Traffic][]> => {
      const read = (file: string) => readFile(join(links, tap, file), "utf8").catch(() => "");
      const attachment = tap.startsWith("tap-pool-")
        ? parseTapAlias(tap, (await read("ifalias")).trim())
        : undefined;
      if (attachment === undefined || attachment === "idle") return [];
      // The host receives what the guest sends.
      const [sent, received] = await Promise.all([read("statistics/rx_bytes"), read("statistics/tx_bytes")]);
      return [[attachment.vm, { sentBytes: Number(sent), receivedBytes: Number(received) }]];
    }),
  );
  return new Map(found.flat());
}
