/** The system commands on this very host. Nothing else of the CLI goes past the daemon: here there may be none. */
import { BangerError } from "../../base/base.ts";
import { builtAt, commit, version } from "../../base/version.ts";
import {
  type Answer,
  clearKernel,
  type DriverFacts,
  hostSystemd,
  install,
  lookUpUser,
  restart,
  type SystemHost,
  status,
  systemPlaces,
  uninstall,
} from "../../host/host.ts";
import { askIfThere } from "../../rpc/ask.ts";
import type { System } from "../context.ts";

export interface Caller {
  asRoot: string;
  /** The program and first arguments that run this banger. */
  self: readonly string[];
  say(line: string): void;
}

export function thisHost({ asRoot, self, say }: Caller): SystemHost {
  const places = systemPlaces();
  return {
    places,
    systemd: hostSystemd,
    uid: process.getuid?.() ?? -1,
    asRoot,
    lookUpUser,
    ping,
    driver: () => driverFacts(places.sockets.daemon),
    runningVms: () => runningVms(places.sockets.daemon),
    clearKernel: () => clearKernel(self),
    now: () => new Date(),
    say,
  };
}

export function systemOf(caller: Caller): System {
  const host = thisHost(caller);
  const { self } = caller;
  return {
    install: async ({ owner, signal }) => {
      const [executable, ...script] = self;
      if (executable === undefined || script.length > 0) {
        throw new BangerError("precondition", "what runs from its source cannot be installed", {
          hint: "make the executable first: npm run build, then dist/banger",
        });
      }
      const { manualPages } = await import("../manual.ts");
      const build = { version, commit, builtAt };
      await install(host, { owner, executable, build, manual: await manualPages(), signal });
    },
    status: () => status(host),
    restart: (signal) => restart(host, signal),
    uninstall: (request) => uninstall(host, request),
  };
}

async function ping(socket: string): Promise<Answer | undefined> {
  return askIfThere(socket, async (client) => {
    const { version, commit, pid } = await client.call("ping", {}, { signal: AbortSignal.timeout(answerMs) });
    return { version, commit, pid };
  });
}

async function driverFacts(socket: string): Promise<DriverFacts | undefined> {
  return askIfThere(socket, async (client) => {
    const status = await client.call("daemon.status", {}, { signal: AbortSignal.timeout(answerMs) });
    const { driver, driverUsable, acceleration, driverReason, driverHint } = status;
    return { driver, driverUsable, acceleration, driverReason, driverHint };
  });
}

async function runningVms(socket: string): Promise<string[] | undefined> {
  return askIfThere(socket, async (client) => {
    const vms = await client.call("vm.list", {}, { signal: AbortSignal.timeout(answerMs) });
    return vms.filter(({ pid }) => pid !== null).map(({ name }) => name);
  });
}

/** In ms; an emulated host takes its time. */
const answerMs = 10_000;
