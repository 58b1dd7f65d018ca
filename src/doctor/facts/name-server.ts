/** The name server that guests with NAT get, asked for a name from here: a packet there, and one back. */
import { createSocket } from "node:dgram";
import { readlinkSync } from "node:fs";
import { hostSystemd } from "../../host/host.ts";
import { answersNameQuery, nameQuery } from "../../net/net.ts";
import { hostNameServer } from "../../sys/sys.ts";
import type { Place } from "../place.ts";
import { readSettings } from "./settings.ts";

export interface NameServerFacts {
  /** Undefined when neither config.toml nor the host names one that guests could ask. */
  server: string | undefined;
  /** config.toml's default_dns. */
  configured: boolean;
  /** How long its answer took, whatever it said; undefined: none came. */
  answerMs: number | undefined;
  /** /etc/resolv.conf is systemd-resolved's, which does not run. */
  resolvedStopped: boolean;
}

/** Asked twice: a packet may be lost. In ms. */
const patienceMs = 1500;
const attempts = 2;

export async function askNameServer(place: Place, signal: AbortSignal): Promise<NameServerFacts> {
  const { server, configured } = await guestsNameServer(place);
  let answerMs: number | undefined;
  for (let attempt = 0; server !== undefined && answerMs === undefined && attempt < attempts; attempt += 1)
    answerMs = await query(server, signal);
  return {
    ...{ server, answerMs, configured },
    resolvedStopped: resolvConf().includes("systemd/resolve") && !(await resolvedRuns()),
  };
}

/** Whom guests with NAT are to ask; `configured`: by config.toml. */
export async function guestsNameServer(
  place: Place,
): Promise<{ server: string | undefined; configured: boolean }> {
  const { config } = await readSettings(place);
  return { server: config.default_dns ?? hostNameServer(), configured: config.default_dns !== undefined };
}

/** Its files stay when it is stopped. */
async function resolvedRuns(): Promise<boolean> {
  try {
    return (await hostSystemd.state("systemd-resolved.service")).active === "active";
  } catch {
    // No systemd to ask: whatever answers there, it is not this check's to start it.
    return true;
  }
}

function resolvConf(): string {
  try {
    return readlinkSync("/etc/resolv.conf");
  } catch {
    // A file of its own, or none.
    return "";
  }
}

function query(server: string, signal: AbortSignal): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const socket = createSocket("udp4");
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  const began = performance.now();
  const none = () => resolve(undefined);
  const timer = setTimeout(none, patienceMs);
  signal.addEventListener("abort", none, { once: true });
  socket.on("error", none);
  socket.on("message", (answer, { address }) => {
    if (address === server && answersNameQuery(answer, id)) resolve(performance.now() - began);
  });
  socket.send(nameQuery(id), 53, server, (error) => {
    // No route there, or a firewall of the host's own.
    if (error !== null && error !== undefined) none();
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", none);
    socket.close();
  });
}
