/** The keys of banger.toml: what each may say. A reader answers the value, or throws Unfit with what is wrong. */
import { parseSizeBytes, toBangerError } from "../base/base.ts";
import type { PortForward, PostCreate, ProjectSettings } from "./settings.ts";

/** The message goes on after "key: ". */
export class Unfit extends Error {}

const MiB = 1024 * 1024;
const most = { ports: 32, include: 100, postCreate: 32, env: 64, commandBytes: 16 * 1024, valueBytes: 4096 };

type Read = (value: unknown) => Partial<ProjectSettings>;

/** By key, in the order in which people are told of them. */
export const keys: Readonly<Record<string, Read>> = {
  image: (value) => ({ image: readImage(value) }),
  vcpu: (value) => ({ vcpu: whole(value, 1, 64) }),
  memory: (value) => ({ memoryBytes: size(value, 128 * MiB, "128M") }),
  disk: (value) => ({ diskBytes: size(value, 16 * MiB, "16M") }),
  nat: (value) => ({ nat: yesOrNo(value) }),
  ports: (value) => ({ ports: readPorts(value) }),
  include: (value) => ({ include: list(value, most.include, "paths").map(readInclude) }),
  bootstrap: (value) => ({ bootstrap: yesOrNo(value) }),
  post_create: (value) => ({ postCreate: list(value, most.postCreate, "commands").map(shellCommand) }),
  env: (value) => ({ env: readEnv(value) }),
};

/** What other tools call it. */
export const otherWords: Readonly<Record<string, string>> = {
  cpu: "vcpu",
  cpus: "vcpu",
  memory_mib: "memory",
  ram: "memory",
  disk_size: "disk",
  network: "nat",
  forward_ports: "ports",
  setup: "post_create",
  environment: "env",
};

/** A registry's reference has letters of its own; what begins with a transport or a slash is a file of the host. */
export function readImage(value: unknown): string {
  const name = text(value, 'an image\'s name in quotes, such as "debian-bookworm"');
  if (/^(oci|oci-archive|docker-archive|docker|dir|file):|^[/.~]/.test(name))
    throw new Unfit(
      "a repository names images of the store, a catalog or a registry, and no files of the host",
    );
  if (!/^[A-Za-z0-9[][A-Za-z0-9._:/@[\]-]{0,255}$/.test(name)) throw new Unfit("is not the name of an image");
  return name;
}

/** A number of both sides, or "HOST:GUEST". */
export function readPorts(value: unknown): PortForward[] {
  const ports = list(value, most.ports, "ports").map(readPort);
  for (const [index, { host }] of ports.entries()) {
    if (ports.findIndex((other) => other.host === host) < index)
      throw new Unfit(`the host's port ${host} is there twice`);
  }
  return ports;
}

function readPort(value: unknown): PortForward {
  const parts = typeof value === "string" ? value.split(":") : [value];
  const [host, guest = host] = parts.map((part) =>
    typeof part === "number" ? part : /^[0-9]{1,5}$/.test(String(part)) ? Number(part) : Number.NaN,
  );
  const isPort = (port: number | undefined): port is number =>
    Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65535;
  if (parts.length > 2 || !isPort(host) || !isPort(guest))
    throw new Unfit(
      `${shown(value)} is not a port, nor "HOST:GUEST"; the host's side is always its loopback`,
    );
  if (host < 1024) throw new Unfit(`the host's port ${host} is below 1024; write "8080:${guest}"`);
  return { host, guest };
}

function readInclude(value: unknown): string {
  const path = text(value, "paths in quotes");
  const parts = path.replace(/^\.\//, "").replace(/\/+$/, "").split("/");
  if (path.startsWith("/") || path.startsWith("~") || parts.includes(".."))
    throw new Unfit(`${shown(path)} leads out of the repository: write a path relative to its root`);
  if (parts.some((part) => part === "" || part === ".")) throw new Unfit(`${shown(path)} names nothing`);
  if (parts.some((part) => part.toLowerCase() === ".git"))
    throw new Unfit(`${shown(path)}: the copy has a .git of its own`);
  return parts.join("/");
}

/** A line for a shell of the guest. */
export function shellCommand(value: unknown): PostCreate {
  const line = text(value, "commands in quotes", most.commandBytes);
  return { shown: line, argv: ["/bin/sh", "-c", line] };
}

export function readEnv(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Unfit('must be a table, such as env = { MODE = "test" }');
  const entries = Object.entries(value);
  if (entries.length > most.env) throw new Unfit(`must have at most ${most.env} variables`);
  const env: [string, string][] = entries.map(([name, said]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
      throw new Unfit(`${shown(name)} is not a variable's name`);
    if (typeof said !== "string") throw new Unfit(`${name} must be text in quotes`);
    if (said.includes("\0") || Buffer.byteLength(said) > most.valueBytes)
      throw new Unfit(`${name} is longer than ${most.valueBytes} bytes, or has a NUL`);
    return [name, said];
  });
  return Object.fromEntries(env);
}

function text(value: unknown, what: string, maxBytes = 4096): string {
  if (typeof value !== "string") throw new Unfit(`must be ${what}`);
  if (value.trim() === "") throw new Unfit("must not be empty");
  if (value.includes("\0") || Buffer.byteLength(value) > maxBytes)
    throw new Unfit(`is longer than ${maxBytes} bytes, or has a NUL`);
  return value;
}

function list(value: unknown, limit: number, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Unfit(`must be a list of ${what}: [ ... ]`);
  if (value.length > limit) throw new Unfit(`must have at most ${limit} ${what}`);
  return value;
}

function whole(value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Unfit(`must be a whole number from ${min} to ${max}`);
}

function yesOrNo(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new Unfit("must be true or false");
}

function size(value: unknown, least: number, leastText: string): number {
  const said = text(value, 'a size in quotes, such as "4G"');
  let bytes: number;
  try {
    bytes = parseSizeBytes(said);
  } catch (error) {
    throw new Unfit(toBangerError(error).message);
  }
  if (bytes < least) throw new Unfit(`must be at least ${leastText}`);
  return bytes;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}
