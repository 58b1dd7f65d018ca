/**
 * QMP, QEMU's control socket: one JSON object a line. The server greets; the client says qmp_capabilities; from then on
 * commands and their answers alternate, with events in between (docs/interop/qmp-spec in QEMU's tree). banger needs it
 * for two things only: its greeting says that QEMU is up, and its end that QEMU has gone.
 */
import { connect, type Socket } from "node:net";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";

const maxLineBytes = 64 * 1024;
const Greeting = z.looseObject({ QMP: z.looseObject({}) });
const Answer = z.union([
  z.looseObject({ return: z.unknown() }),
  z.looseObject({ error: z.looseObject({ desc: z.string() }) }),
]);

export interface Qmp {
  /** Resolves when the socket has ended, which it does with its process. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Connects and negotiates. Rejects when the socket is not there, or what answers is no QMP server. */
export function connectQmp(path: string, signal?: AbortSignal): Promise<Qmp> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path);
    const closed = Promise.withResolvers<void>();
    let text = "";
    let greeted = false;
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const onAbort = () => fail(new BangerError("cancelled", "cancelled"));
    signal?.addEventListener("abort", onAbort, { once: true });
    const line = (json: string) => {
      const message: unknown = JSON.parse(json);
      if (!greeted) {
        Greeting.parse(message);
        greeted = true;
        socket.write('{"execute":"qmp_capabilities"}\n');
        return;
      }
      if (typeof message === "object" && message !== null && "event" in message) return;
      const answer = Answer.parse(message);
      if ("error" in answer)
        throw new BangerError(
          "guest_failed",
          `QEMU refused its control socket: ${JSON.stringify(answer.error)}`,
        );
      signal?.removeEventListener("abort", onAbort);
      resolve({ closed: closed.promise, close: () => socket.destroy() });
    };
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > maxLineBytes)
        return fail(new BangerError("guest_failed", "QEMU's control socket sent too long a line"));
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      try {
        for (const json of lines) if (json.trim() !== "") line(json);
      } catch (error) {
        fail(error);
      }
    });
    socket.on("error", fail);
    socket.on("close", () => {
      signal?.removeEventListener("abort", onAbort);
      closed.resolve();
      reject(new BangerError("guest_failed", "QEMU closed its control socket"));
    });
  });
}
