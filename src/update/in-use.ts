/** What others have under way, which an update would cut off: told so that its reader knows whom to wait for. */
import { BangerError } from "../base/base.ts";
import type { UnderWay } from "./services.ts";

/** Of the calls that may take a while. Others are done before anybody has read of them, and keep their names. */
export const callWords: Readonly<Record<string, string>> = {
  "vm.create": "a VM that is being made",
  "vm.start": "a VM that is starting",
  "vm.stop": "a VM that is stopping",
  "vm.restart": "a VM that is starting again",
  "vm.pause": "a VM that is being paused",
  "vm.resume": "a VM that is going on",
  "vm.suspend": "a VM that is being suspended",
  "vm.fork": "a VM that is being forked",
  "vm.set": "a VM that is being changed",
  "vm.kill": "a VM that is being killed",
  "vm.delete": "a VM that is being deleted",
  "vm.logs": "a VM's log",
  "snapshot.create": "a snapshot that is being made",
  "snapshot.restore": "a VM that goes back to a snapshot",
  "guest.exec": "a command in a VM",
  "guest.connect": "a connection to a port of a VM",
  "guest.kind": "a copy from or to a VM",
  "guest.push": "a copy to a VM",
  "guest.pull": "a copy from a VM",
  "workspace.import": "a workspace on its way to a VM",
  "image.list": "a list of images",
  "image.name": "an image that is looked for",
  "image.pull": "an image that is being fetched",
  "image.register": "an image that is being registered",
  "image.promote": "an image that is being copied",
  "image.save": "an image that is being saved",
  "kernel.list": "a list of kernels",
  "kernel.pull": "a kernel that is being fetched",
  "kernel.import": "a kernel that is being imported",
  "events.follow": "somebody who follows events",
};

/** Throws precondition when there is any. */
export function refuseWhileUsed(operations: readonly UnderWay[]): void {
  if (operations.length === 0) return;
  throw new BangerError("precondition", `banger is in use: ${operations.map(told).join("; ")}`, {
    hint: "wait for these to end; --force goes on, and cuts them off (VMs run on)",
  });
}

function told({ method, op, ms }: UnderWay): string {
  const since = `for ${Math.round(ms / 1000)} s`;
  if (method === null) return `a connection, ${since}`;
  // The name is what the daemon says it is.
  const words = Object.hasOwn(callWords, method) ? callWords[method] : undefined;
  return words === undefined ? `${method} (${op}), ${since}` : `${words} (${method}, ${op}), ${since}`;
}
