/**
 * An address of the host's loopback for each VM that has none in a network, in 127.66.0.0/16: the whole of 127.0.0.0/8 is
 * this host (RFC 1122, 3.2.1.3), and Linux needs nobody's leave to listen there. It follows from the VM's id, so that it is
 * the same after a restart of the daemon.
 */
import { createHash } from "node:crypto";

const network = "127.66";
/** All but .0.0 and .255.255. */
const count = 65_534;

export class LoopbackAddresses {
  readonly #given = new Map<string, string>();

  /** Of one of `all` VMs there are, the oldest first. Where two ids mean the same address, the later gets the next one. */
  of(id: string, all: () => readonly string[]): string {
    const known = this.#given.get(id);
    if (known !== undefined) return known;
    const ids = all();
    const there = new Set(ids);
    for (const each of this.#given.keys()) if (!there.has(each)) this.#given.delete(each);
    const taken = new Set(this.#given.values());
    for (const each of ids) {
      if (this.#given.has(each)) continue;
      const address = firstFree(each, taken);
      taken.add(address);
      this.#given.set(each, address);
    }
    return this.#given.get(id) ?? firstFree(id, taken);
  }
}

function firstFree(id: string, taken: ReadonlySet<string>): string {
  const wished = createHash("sha256").update(id).digest().readUInt32BE(0) % count;
  for (let step = 0; ; step += 1) {
    const number = 1 + ((wished + step) % count);
    const address = `${network}.${number >> 8}.${number & 255}`;
    if (!taken.has(address) || step === count) return address;
  }
}
