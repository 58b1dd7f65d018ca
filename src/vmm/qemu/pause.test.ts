/** What a real QEMU does once in many hundred cancellations, by a server that always does it. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFiles } from "./arguments.ts";
import { resume } from "./pause.ts";

test("a machine goes on although its cancelled migration waits to be continued", async () => {
  const runDir = mkdtempSync(join(tmpdir(), "bqmp-"));
  const heard: string[] = [];
  let status = "pre-switchover";
  const answers: Record<string, (args: unknown) => object> = {
    "query-migrate": () => ({ return: { status } }),
    "query-status": () => ({ return: { status: status === "cancelled" ? "postmigrate" : "finish-migrate" } }),
    migrate_cancel: () => {
      status = "cancelling";
      return { return: {} };
    },
    "migrate-continue": (args) => {
      if (status !== "cancelling" || JSON.stringify(args) !== '{"state":"cancelling"}')
        return { error: { class: "GenericError", desc: "Migration not in expected state" } };
      status = "cancelled";
      return { return: {} };
    },
  };
  const server = createServer((socket) => {
    socket.write('{"QMP":{}}\n');
    socket.on("data", (bytes) => {
      for (const line of bytes.toString().trim().split("\n")) {
        const { execute, arguments: args } = JSON.parse(line);
        heard.push(execute);
        socket.write(`${JSON.stringify(answers[execute]?.(args) ?? { return: {} })}\n`);
      }
    });
  });
  try {
    await new Promise<void>((resolve) => server.listen(runFiles(runDir).qmp, resolve));
    const machine = { driver: "qemu", process: { pid: 1, startTicks: 0, bootId: "" }, runDir };
    await resume(machine, AbortSignal.timeout(2000));
    expect([status, heard.at(-1)]).toEqual(["cancelled", "cont"]);
  } finally {
    server.close();
    rmSync(runDir, { recursive: true });
  }
});
