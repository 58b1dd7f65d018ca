/** `banger system status` and `restart`. */
import { BangerError, toBangerError } from "../../base/base.ts";
import { type Install, readInstall } from "../../config/install.ts";
import { type Waiting, waitUntilReady } from "./answers.ts";
import { exclusively, needsRoot, needsSystemd } from "./requirements.ts";
import type { Answer, DriverFacts, SystemHost } from "./system-host.ts";
import type { UnitState } from "./systemd.ts";
import { unitNames } from "./units.ts";

export interface ServiceStatus extends UnitState {
  unit: string;
  socket: string;
  /** Null when it did not answer; `denied` when this user may not ask it. */
  answer: Answer | "denied" | null;
}

export interface BuildsStatus extends UnitState {
  unit: string;
  socket: string;
}

export interface SystemStatus {
  install: Install;
  /** In the order in which they start. */
  services: ServiceStatus[];
  /** What the daemon says of the VMs it can run; null when it does not answer, or not to this user. */
  driver: DriverFacts | null;
  /** The socket by which image builds are started; nobody listens on it but systemd. */
  builds: BuildsStatus;
  /** True when every service runs, and answers whom it may, and builds can be started. */
  well: boolean;
}

/** Throws not_found when nothing is installed. */
export async function status(host: SystemHost): Promise<SystemStatus> {
  const install = installed(host);
  await needsSystemd(host);
  const { sockets } = host.places;
  const services = [
    await service(host, unitNames.helper, sockets.helper),
    await service(host, unitNames.daemon, sockets.daemon),
  ];
  const builds = {
    unit: unitNames.builderSocket,
    socket: sockets.builder,
    ...(await host.systemd.state(unitNames.builderSocket)),
  };
  return {
    install,
    services,
    driver: services.every(({ answer }) => answer !== null && answer !== "denied")
      ? ((await host.driver()) ?? null)
      : null,
    builds,
    well:
      builds.active === "active" &&
      services.every(({ active, answer }) => active === "active" && answer !== null),
  };
}

/** Both daemons anew; VMs go on. Returns when both have answered. */
export async function restart(host: SystemHost, signal?: AbortSignal): Promise<SystemStatus> {
  needsRoot(host, "system restart");
  installed(host);
  await needsSystemd(host);
  await exclusively(host, () => restartServices(host, signal === undefined ? {} : { signal }));
  return status(host);
}

/** Resolves when both daemons answer, and are what is waited for. Throws timeout, or operation_failed with what one has said. */
export async function restartServices(host: SystemHost, waiting: Waiting): Promise<void> {
  const units = [unitNames.helper, unitNames.builderSocket, unitNames.daemon];
  // A service that has failed too often is not started before that is forgotten.
  await host.systemd.forget(units);
  await host.systemd.restart(units);
  await waitUntilReady(host, waiting);
}

function installed({ places }: SystemHost): Install {
  const found = readInstall(places.installFile);
  if (found !== undefined) return found;
  throw new BangerError("not_found", "the system services are not installed", {
    hint: "install them, with the path of this program: sudo /path/to/banger system install --owner $USER",
  });
}

async function service(host: SystemHost, unit: string, socket: string): Promise<ServiceStatus> {
  return { unit, socket, ...(await host.systemd.state(unit)), answer: await ask(host, socket) };
}

async function ask(host: SystemHost, socket: string): Promise<ServiceStatus["answer"]> {
  try {
    return (await host.ping(socket)) ?? null;
  } catch (error) {
    if (toBangerError(error).code === "denied") return "denied";
    throw error;
  }
}
