/** A daemon of the tests' own: answers by handlers, remembers what it was asked. Only for tests. */
import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { VmId, VmName } from "../../base/ids.ts";
import {
  type Defaults,
  type Events,
  type Method,
  owner,
  type Params,
  type Result,
  type Vm,
} from "../../rpc/contract.ts";
import type { CallOptions, Daemon } from "../context.ts";

type Handler<M extends Method> = (
  params: Params<M>,
  call: { signal: AbortSignal; emit(event: Events<M>): void; op: string },
) => Promise<Result<M>> | Result<M>;
export type FakeHandlers = { [M in Method]?: Handler<M> };

export class FakeDaemon implements Daemon {
  /** Methods in the order they were called. */
  readonly calls: { method: Method; params: unknown }[] = [];
  readonly streams = new Map<string, Duplex>();
  readonly #ended = Promise.withResolvers<void>();
  readonly closed = this.#ended.promise;

  constructor(readonly handlers: FakeHandlers) {}

  get methods(): string[] {
    return this.calls.map(({ method }) => method);
  }

  /** Params are held against the contract, as the real daemon would. */
  async call<M extends Method>(
    method: M,
    params: Params<M>,
    options: CallOptions<M> = {},
  ): Promise<Result<M>> {
    owner[method].params.parse(params);
    this.calls.push({ method, params });
    const handler = this.handlers[method] as Handler<M> | undefined;
    if (handler === undefined) throw new BangerError("unknown_method", `the test has no ${method}`);
    const signal = options.signal ?? new AbortController().signal;
    if (signal.aborted) throw new BangerError("cancelled", "cancelled");
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    cancelled.catch(() => {});
    signal.addEventListener("abort", () => reject(new BangerError("cancelled", "cancelled")), { once: true });
    const emit = (event: Events<M>) => options.onEvent?.(event);
    const answer = Promise.try(() => handler(params, { signal, emit, op: options.op ?? "" }));
    answer.catch(() => {});
    return Promise.race([answer, cancelled]);
  }

  ticket(stream: Duplex): string {
    const ticket = randomUUID().replaceAll("-", "");
    this.streams.set(ticket, stream);
    return ticket;
  }

  async stream(ticket: string): Promise<Duplex> {
    const stream = this.streams.get(ticket);
    if (stream === undefined) throw new BangerError("not_found", "no such ticket");
    this.streams.delete(ticket);
    return stream;
  }

  close(): void {
    this.#ended.resolve();
  }
}

export function fakeVm(name: string, change: Partial<Vm> = {}): Vm {
  return {
    id: VmId.parse("3f2a91c0-5b7e-4d21-9c3a-0123456789ab"),
    name: VmName.parse(name),
    state: "running",
    image: { id: `sha256:${"ab".repeat(32)}`, name: "debian-bookworm" },
    kernel: { id: `sha256:${"cd".repeat(32)}`, name: "debian-cloud-6.1" },
    spec: { vcpu: 2, memoryMiB: 1024, diskBytes: 8 * 1024 ** 3, overlayBytes: 8 * 1024 ** 3, nat: false },
    driver: "qemu",
    ip: "10.0.2.15",
    ephemeral: false,
    workspace: null,
    lastError: null,
    pid: 4711,
    consoleLog: "/state/console.log",
    layer: null,
    ...{ cost: null, asleep: false },
    start: null,
    channel: null,
    createdAt: "2026-03-04T11:57:00.000Z",
    updatedAt: "2026-03-04T11:57:00.000Z",
    startedAt: "2026-03-04T11:57:00.000Z",
    usedAt: null,
    ...change,
  };
}

export const fakeDefaults: Defaults = {
  vcpu: { value: 4, from: "auto" },
  memoryMiB: { value: 8192, from: "auto" },
  diskBytes: { value: 8 * 1024 ** 3, from: "builtin" },
  overlayBytes: { value: 8 * 1024 ** 3, from: "builtin" },
  image: { value: "debian-bookworm", from: "builtin" },
  projectNat: false,
  configPath: "/home/u/.config/banger/config.toml",
  configChanged: false,
};
