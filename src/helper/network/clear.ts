/**
 * Takes everything of banger's network out of the kernel, and what was done to the host for it back. For the uninstall,
 * when the service has been stopped and no VM runs. Needs no configuration: each thing is found by the mark that was set on it, whatever made it and whenever. What bears none is never touched, whatever its name.
 */
import { removeLink } from "../../sys/sys.ts";
import { chooseFirewall } from "./firewall.ts";
import { forsakeEgress } from "./forwarding.ts";
import { readNetwork, serially } from "./network.ts";

/** Absent is success. */
export function clearNetwork(): Promise<void> {
  return serially(async () => {
    const { strays: bridges, idle, attached } = readNetwork({});
    const taps = [...idle, ...attached.map(({ link }) => link)];
    for (const { index } of taps) removeLink(index);
    // A host without any firewall has nothing of one.
    const firewall = await chooseFirewall().catch(() => undefined);
    for (const bridge of bridges) {
      if (firewall !== undefined) await forsakeEgress(bridge);
      removeLink(bridge.index);
    }
    await firewall?.remove(taps.map(({ name }) => name));
  });
}
