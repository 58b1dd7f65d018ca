/** Whether a VM counts as used, by what a client does with a connection into it. */
import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import type { OnStream } from "../../rpc/tickets.ts";
import type { Parts } from "../parts.ts";
import { guestHandlers } from "./guest.ts";

function connecting() {
  let uses = 0;
  let open: OnStream | undefined;
  const stream = new PassThrough();
  const parts = {
    vms: {
      reach: async () => ({ id: "vm" }),
      idleVms: {
        begin: () => {
          uses += 1;
          return () => {
            uses -= 1;
          };
        },
      },
    },
    runtimes: { session: async () => ({ channel: "agent", connect: async () => stream }) },
  };
  const gone = Promise.withResolvers<void>();
  const ctx = {
    ...{ signal: new AbortController().signal, opId: "1", emit: () => {}, ready: async () => {} },
    ...{ connectionClosed: gone.promise, others: () => [] },
    ticket: (onStream: OnStream) => {
      open = onStream;
      return "ticket";
    },
  };
  // Only what this handler uses is there.
  const connect = guestHandlers(parts as unknown as Parts)["guest.connect"];
  return {
    call: () => connect({ ref: "vm", port: 80 }, ctx),
    take: (socket: PassThrough) => open?.(socket),
    goAway: async () => {
      gone.resolve();
      await Bun.sleep(1);
    },
    uses: () => uses,
  };
}

test("a client that goes without having come for its connection uses the VM no more", async () => {
  const { call, goAway, uses } = connecting();
  await call();
  expect(uses()).toBe(1);
  await goAway();
  expect(uses()).toBe(0);
});

test("one that came for it uses the VM for as long as it is open, whatever becomes of the call's own", async () => {
  const { call, take, goAway, uses } = connecting();
  await call();
  const socket = new PassThrough();
  take(socket);
  await goAway();
  expect(uses()).toBe(1);
  socket.destroy(new Error("hung up"));
  await Bun.sleep(1);
  expect(uses()).toBe(0);
});

test("one whose client was killed is over, in the guest too", async () => {
  const { call, take, uses } = connecting();
  await call();
  const socket = new PassThrough();
  take(socket);
  socket.destroy();
  await Bun.sleep(1);
  expect(uses()).toBe(0);
});

test("a command that came before its VM was up runs where the start has brought the workspace", async () => {
  const started = { id: "vm", state: "running", image: { id: "i" }, workspace: { guestPath: "/root/repo" } };
  const emitted: unknown[] = [];
  const ran: unknown[] = [];
  const session = {
    channel: "agent",
    exec: async (request: unknown) => {
      ran.push(request);
      throw new Error("that is all");
    },
  };
  const parts = {
    vms: {
      reach: async () => ({ ...started, state: "starting", workspace: null }),
      find: () => started,
      idleVms: { begin: () => () => {} },
    },
    images: { commandDefaults: async () => ({ cwd: "/root", env: {}, user: "app" }) },
    runtimes: { session: async () => session },
  };
  const ctx = {
    ...{ signal: new AbortController().signal, opId: "1", ready: async () => {}, ticket: () => "ticket" },
    ...{ emit: (event: unknown) => emitted.push(event), others: () => [] },
    connectionClosed: new Promise<void>(() => {}),
  };
  const exec = guestHandlers(parts as unknown as Parts)["guest.exec"];
  await expect(exec({ ref: "vm", argv: ["pwd"] }, ctx)).rejects.toThrow("that is all");
  // Root's, though the image names a user: there is a workspace now.
  expect(ran).toEqual([{ argv: ["pwd"], env: {}, cwd: "/root/repo" }]);
  await expect(exec({ ref: "vm", argv: ["pwd"], user: "app" }, ctx)).rejects.toThrow("that is all");
  expect(ran[1]).toMatchObject({ user: "app", cwd: "/root/repo" });
  emitted.pop();
  expect(emitted).toEqual([{ kind: "stage", stage: "still_starting", status: "begin" }]);
});
