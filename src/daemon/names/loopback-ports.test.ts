import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { newVmId } from "../../base/ids.ts";
import type { ListeningPort } from "../../guest/guest.ts";
import { LoopbackPorts } from "./loopback-ports.ts";

const id = newVmId();
const address = "127.66.200.9";
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const listening = (port: number, on = "0.0.0.0", protocol: "tcp" | "udp" = "tcp"): ListeningPort => ({
  ...{ port, address: on, protocol, process: "" },
});

interface Guest {
  ports: ListeningPort[];
  asked: number;
  told: string[];
  may: boolean;
  refuses: boolean;
}
let open: LoopbackPorts | undefined;
afterEach(() => open?.close());

/** What comes for a port is answered with its number. */
function forwarding(guest: Partial<Guest>, pace = { interestMs: 150, everyMs: 30, freshMs: 0 }) {
  const state: Guest = { ports: [], asked: 0, told: [], may: true, refuses: false, ...guest };
  open = new LoopbackPorts(
    {
      ports: async () => {
        state.asked += 1;
        return state.ports;
      },
      join: async (_id, port, socket) => {
        if (state.refuses) throw new Error("refused");
        socket.end(`port ${port}`);
      },
      mayConnect: async () => state.may,
      log: { ...quiet, info: (message) => void state.told.push(message) },
    },
    pace,
  );
  return { ports: open, state };
}

async function hear(port: number): Promise<string> {
  const socket: Socket = connect(port, address);
  let heard = "";
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  try {
    await once(socket, "close");
    return heard;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

describe("what the guest listens on", () => {
  test("is listened on once somebody is interested, and nothing else is", async () => {
    const said = [listening(41_001), listening(41_002, "::"), listening(41_003, "127.0.0.1")];
    const { ports } = forwarding({
      ports: [...said, listening(41_004, "10.0.2.15"), listening(41_005, "0.0.0.0", "udp")],
    });
    expect(await hear(41_001)).toBe("ECONNREFUSED");
    await ports.expect(id, address);
    for (const port of [41_001, 41_002, 41_003]) expect(await hear(port)).toBe(`port ${port}`);
    for (const port of [41_004, 41_005]) expect(await hear(port)).toBe("ECONNREFUSED");
  });

  test("is followed for a while, and asked for no longer than somebody is interested", async () => {
    const { ports, state } = forwarding({ ports: [listening(41_011)] });
    await ports.expect(id, address);
    state.ports = [listening(41_012)];
    while ((await hear(41_012)) !== "port 41012") await Bun.sleep(10);
    expect(await hear(41_011)).toBe("ECONNREFUSED");
    await Bun.sleep(400);
    const { asked } = state;
    await Bun.sleep(150);
    expect(state.asked).toBe(asked);
    expect(await hear(41_012)).toBe("port 41012");
  });

  test("is asked for once, however many ask at the same time", async () => {
    const { ports, state } = forwarding({ ports: [] }, { interestMs: 0, everyMs: 10_000, freshMs: 10_000 });
    await Promise.all(Array.from({ length: 20 }, () => ports.expect(id, address)));
    await ports.expect(id, address);
    expect(state.asked).toBe(1);
  });

  test("is no more than a few dozen ports, whatever a guest says", async () => {
    const all = Array.from({ length: 500 }, (_, index) => listening(42_000 + index));
    const { ports } = forwarding({ ports: all });
    await ports.expect(id, address);
    expect([await hear(42_063), await hear(42_064)]).toEqual(["port 42063", "ECONNREFUSED"]);
  });

  test("is left to the host's own server where that has every address's port, and that is said once", async () => {
    const server = createServer().listen({ port: 41_021, host: "0.0.0.0" });
    await once(server, "listening");
    const { ports, state } = forwarding({ ports: [listening(41_021), listening(41_022)] });
    await ports.expect(id, address);
    await ports.expect(id, address);
    expect(await hear(41_022)).toBe("port 41022");
    expect(state.told).toEqual(["a port of a guest's cannot be listened on"]);
    server.close();
  });
});

describe("a connection", () => {
  test("of another user of the host's is cut off", async () => {
    const { ports } = forwarding({ ports: [listening(41_031)], may: false });
    await ports.expect(id, address);
    expect(await hear(41_031)).toBe("ECONNRESET");
  });

  test("that the guest refuses is as good as refused", async () => {
    const { ports } = forwarding({ ports: [listening(41_032)], refuses: true });
    await ports.expect(id, address);
    expect(await hear(41_032)).toBe("ECONNRESET");
  });
});

test("when the VM has stopped nothing listens any more", async () => {
  const { ports } = forwarding({ ports: [listening(41_041)] });
  await ports.expect(id, address);
  ports.retain(() => true);
  expect(await hear(41_041)).toBe("port 41041");
  ports.retain(() => false);
  expect(await hear(41_041)).toBe("ECONNREFUSED");
  await Bun.sleep(100);
  expect(await hear(41_041)).toBe("ECONNREFUSED");
});
