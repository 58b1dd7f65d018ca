/** The CLI and the daemon's own handlers in this process, over the real agent, which runs on this host and takes it for its guest. */
import type { Duplex } from "node:stream";
import { bytePair } from "../../src/cli/testing/byte-pair.ts";
import { FakeDaemon, type FakeHandlers, fakeVm } from "../../src/cli/testing/fake-daemon.ts";
import { banger, type Options } from "../../src/cli/testing/harness.ts";
import { fileHandlers } from "../../src/daemon/handlers/files.ts";
import { guestHandlers } from "../../src/daemon/handlers/guest.ts";
import type { Parts } from "../../src/daemon/parts.ts";
import type { CallContext, TransferEvent } from "../../src/rpc/rpc.ts";
import { AgentFixture } from "./agent-fixture.ts";

type Call = { signal: AbortSignal; emit(event: TransferEvent): void };

export class CopyFixture {
  readonly agent = new AgentFixture();
  readonly dir = this.agent.dir;
  /** Where relative paths of the guest begin. */
  workspace = "/root/repo";

  async daemon(): Promise<FakeDaemon> {
    const session = await this.agent.session();
    const vm = fakeVm("calm-otter", {
      workspace: { guestPath: this.workspace, hostPath: "/work", head: "" },
    });
    const parts = {
      vms: { reach: async () => vm, idleVms: { begin: () => () => {} } },
      runtimes: { session: async () => session },
    } as unknown as Parts;
    const real = { ...fileHandlers(parts), ...guestHandlers(parts) };
    const context = ({ signal, emit }: Call): CallContext<TransferEvent> => ({
      ...{ signal, emit, opId: "0", connectionClosed: new Promise(() => {}), others: () => [] },
      ready: async () => {},
      ticket: (onStream: (stream: Duplex) => void) => {
        const [near, far] = bytePair();
        onStream(far);
        return daemon.ticket(near);
      },
    });
    const handlers: FakeHandlers = {
      "vm.show": () => vm,
      "vm.resolve": ({ refs }) => refs.map((ref) => ({ ref, vm })),
      "guest.kind": (params, call) => real["guest.kind"](params, context(call)),
      "guest.push": (params, call) => real["guest.push"](params, context(call)),
      "guest.pull": (params, call) => real["guest.pull"](params, context(call)),
      "vm.ports": (params, { signal }) =>
        real["vm.ports"](params, context({ signal, emit: () => {} }) as CallContext<never>),
      "guest.connect": (params, { signal }) =>
        real["guest.connect"](params, context({ signal, emit: () => {} }) as CallContext<never>),
    };
    const daemon: FakeDaemon = new FakeDaemon(handlers);
    return daemon;
  }

  async cp(source: string, destination: string, options: Options = {}) {
    return banger(["vm", "cp", source, destination], { daemon: await this.daemon(), ...options });
  }

  /** Like cp, but a failure fails the test with what was said. */
  async copied(source: string, destination: string, options: Options = {}): Promise<string> {
    const { status, out, err } = await this.cp(source, destination, options);
    if (status !== 0) throw new Error(`cp ${source} ${destination}: ${err}`);
    return out + err;
  }
}
