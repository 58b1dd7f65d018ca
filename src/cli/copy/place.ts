/** What a person writes for a place: `VM:path`, a path of this host, or `-`. */
import { posix } from "node:path";
import { BangerError } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { Unfit } from "../option.ts";

export type Place =
  | { where: "guest"; ref: string; path: string }
  | { where: "host"; path: string }
  | { where: "stream" };

/** As scp reads it: a colon before any slash begins a guest's path. Throws Unfit. */
export function readPlace(given: string): Place {
  if (given === "") throw new Unfit("is empty");
  if (given === "-") return { where: "stream" };
  const [, ref, path] = /^([^/:]*):(.*)$/s.exec(given) ?? [];
  if (ref === undefined || path === undefined) return { where: "host", path: given };
  if (ref === "") throw new Unfit("has no VM before the colon (a file of that name: ./:...)");
  if (ref.length > 128) throw new Unfit("is too long for a name or an id");
  if (Buffer.byteLength(path) > 4000) throw new Unfit("is too long for a path");
  return { where: "guest", ref, path };
}

export interface GuestPlace {
  vm: Vm;
  /** Absolute, without a slash at its end. */
  path: string;
  /** It is written as a directory: with a slash, or a dot, at its end. */
  asDirectory: boolean;
  /** What is meant is a directory's content, not itself. */
  content: boolean;
}

/** A relative path begins at the VM's workspace, or at /root where it has none. Throws not_found for the VM. */
export async function guestPlace(
  ctx: Context,
  client: Daemon,
  { ref, path }: { ref: string; path: string },
): Promise<GuestPlace> {
  const vm = await client.call("vm.show", { ref }, { signal: ctx.signal });
  const base = vm.workspace?.guestPath ?? "/root";
  const resolved = posix.resolve(base, path);
  return { vm, path: resolved, ...endOf(path), ...(resolved === "/" ? { content: true } : {}) };
}

/** What the end of a path as it was written means. */
export function endOf(path: string): { asDirectory: boolean; content: boolean } {
  const content = /(^|\/)\.{1,2}\/?$/.test(path);
  return { asDirectory: content || path.endsWith("/"), content };
}

export function missingInGuest({ vm, path }: GuestPlace, what = ""): BangerError {
  return new BangerError("not_found", `there is no ${what}${path} in VM ${vm.name}`);
}
