/** Files between host and guest, and what listens in a guest: methods of the owner contract. */
import { z } from "zod";
import { Path, Ref, TransferEvent } from "./records.ts";
import type { Table } from "./table.ts";

/** A port of a guest on which somebody waits to be called. */
const ListeningPort = z.strictObject({
  protocol: z.enum(["tcp", "udp"]),
  address: z.string(),
  port: z.int().min(0).max(65535),
  /** Name of the program; empty when it is not known. */
  process: z.string(),
});

const place = z.strictObject({ ref: Ref, path: Path });

export const fileMethods = {
  "guest.kind": {
    summary: "what a path in a guest is, links followed",
    params: place,
    result: z.strictObject({ kind: z.enum(["directory", "file", "missing"]) }),
    events: TransferEvent,
  },
  "guest.push": {
    summary: "unpacks a tar stream below a directory of a guest",
    params: place,
    result: z.strictObject({ files: z.int(), bytes: z.number() }),
    events: TransferEvent,
  },
  "guest.pull": {
    summary: "a file or a tree of a guest as a tar stream, which the guest may have made anything of",
    params: place,
    result: z.strictObject({}),
    events: TransferEvent,
  },
  "vm.ports": {
    summary: "what listens in a guest",
    params: z.strictObject({ ref: Ref }),
    result: z.array(ListeningPort),
  },
} as const satisfies Table;
