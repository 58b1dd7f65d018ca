import { describe, expect, test } from "bun:test";
import { Duplex } from "node:stream";
import { MachineWorld } from "../../tests/fakes/machines.ts";
import { newVmId, VmName } from "../base/ids.ts";
import type { GuestSession } from "../guest/guest.ts";
import { Runtimes } from "./runtime.ts";

const signal = new AbortController().signal;
const vm = { id: newVmId(), name: VmName.parse("calm-otter"), state: "running" };

function session(change: Partial<GuestSession> = {}): GuestSession {
  return { ...new MachineWorld().session(new Duplex({ read() {} })), ...change };
}

describe("a VM's session", () => {
  const mute = () => session({ answering: () => Promise.reject(new Error("silent")) });

  test("that does not answer is replaced before it is used, where there is another way to the guest", async () => {
    const runtimes = new Runtimes();
    const bySsh = session({ channel: "ssh" });
    runtimes.otherWay = () => true;
    runtimes.revive = (id) => {
      runtimes.expectSession(id);
      queueMicrotask(() => runtimes.attach(id, bySsh));
    };
    runtimes.attach(vm.id, mute());
    expect(runtimes.channel(vm.id)).toBe("agent");
    const told: string[] = [];
    const stop = runtimes.onFallback(vm.id, () => told.push("by ssh"));
    expect(await runtimes.session(vm, signal)).toBe(bySsh);
    expect(runtimes.channel(vm.id)).toBe("ssh");
    stop();
    runtimes.attach(vm.id, bySsh);
    expect(told).toEqual(["by ssh"]);
  });

  test("is used as it is where there is no other way", async () => {
    const runtimes = new Runtimes();
    const only = mute();
    runtimes.attach(vm.id, only);
    expect(await runtimes.session(vm, signal)).toBe(only);
  });
});
