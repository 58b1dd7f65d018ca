/**
 * What a guest does to reach its bridge and a name server, without a guest: frames out, frames in. Whoever has a TAP of
 * a guest's open can see by it whether a guest gets through there.
 */
import { VmId } from "../base/ids.ts";
import { arp, echo, ethernet, etherTypes, readArp, readEchoReply, readUdp, udp } from "./frames.ts";
import { answersNameQuery, nameQuery } from "./name-query.ts";

/** No VM's: random ids are never this. What is the probe's in the kernel is known by it, also after a crash. */
export const probeVm = VmId.parse("70726f62-6500-4000-8000-000000000000");

export interface ProbePlace {
  address: string;
  mac: string;
  /** The bridge's address. */
  gateway: string;
  /** To be asked for a name; null: only the bridge is looked for. */
  server: string | null;
}

/** In this order: each needs what is before it. */
export type ProbeStage = "neighbour" | "bridge" | "server" | "done";

const broadcast = "ff:ff:ff:ff:ff:ff";

export class ProbeGuest {
  readonly #place: ProbePlace;
  readonly #id: number;
  readonly #source: number;
  #gatewayMac = broadcast;
  #stage: ProbeStage = "neighbour";

  /** `id`: 16 random bits, by which answers are known. */
  constructor(place: ProbePlace, id: number) {
    this.#place = place;
    this.#id = id;
    // Of the ephemeral ports.
    this.#source = 0xc000 | (id & 0x3fff);
  }

  /** What it waits for. */
  get stage(): ProbeStage {
    return this.#stage;
  }

  /** The frame that is to be answered next; undefined when all has been. */
  ask(): Buffer | undefined {
    const { address, mac, gateway, server } = this.#place;
    const packet = (content: Buffer) => ethernet(this.#gatewayMac, mac, etherTypes.ipv4, content);
    if (this.#stage === "neighbour") {
      const question = arp({ operation: "request", senderMac: mac, sender: address, target: gateway });
      return ethernet(broadcast, mac, etherTypes.arp, question);
    }
    if (this.#stage === "bridge") return packet(echo(address, gateway, this.#id));
    if (this.#stage === "done" || server === null) return undefined;
    return packet(udp(address, server, { source: this.#source, port: 53 }, nameQuery(this.#id)));
  }

  /** Takes a frame that came, and returns what is to be said to it, if anything. */
  hear(frame: Buffer): Buffer | undefined {
    const { address, mac, gateway, server } = this.#place;
    const neighbour = readArp(frame);
    if (neighbour?.operation === "request" && neighbour.target === address) {
      const target = neighbour.sender;
      const reply = arp({ operation: "reply", senderMac: mac, sender: address, target });
      return ethernet(neighbour.senderMac, mac, etherTypes.arp, reply);
    }
    if (this.#stage === "neighbour" && neighbour?.operation === "reply" && neighbour.sender === gateway) {
      this.#gatewayMac = neighbour.senderMac;
      this.#stage = "bridge";
    }
    const echoed = readEchoReply(frame);
    if (this.#stage === "bridge" && echoed?.from === gateway && echoed.id === this.#id)
      this.#stage = server === null ? "done" : "server";
    const said = readUdp(frame);
    if (
      this.#stage === "server" &&
      said?.from === server &&
      said.source === 53 &&
      said.port === this.#source &&
      answersNameQuery(said.body, this.#id)
    )
      this.#stage = "done";
    return undefined;
  }
}
