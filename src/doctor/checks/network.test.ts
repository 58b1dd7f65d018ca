import { describe, expect, test } from "bun:test";
import { aVm, healthy, systemPlace, verdict } from "../testing/healthy.ts";

const { network, inventory, daemon } = healthy;
const system = (id: string, change: Parameters<typeof verdict>[1] = {}) => verdict(id, change, systemPlace);
const restart = ["sudo banger system restart"];
const presence = {
  ...{ vm: aVm, process: null, jail: false, cgroup: false, snapshot: true, overlayLoop: true },
  ...{ tap: "tap-pool-0", nat: true },
};
const withNat = { inventory: { ...inventory, vms: [presence] } };

describe("the bridge", () => {
  test("is refused when it is somebody else's, or has somebody else's subnet", () => {
    const foreign = { network: { ...network, found: "somebody else's" as const } };
    expect(system("bridge", foreign)).toMatchObject({
      state: "fail",
      summary: "there is an interface br-fc that is not banger's",
    });
    expect(system("forwarding", foreign).state).toBe("skip");
    const overlap = { interface: "docker0", subnet: "172.16.0.0/16" };
    expect(system("bridge", { network: { ...network, found: "nothing", overlap } })).toMatchObject({
      state: "fail",
      summary: "172.16.0.0/24 is in use: docker0 has 172.16.0.0/16",
    });
    expect(system("bridge", { network: { ...network, overlap } }).state).toBe("warn");
  });

  test("that is gone or down comes back with the services", () => {
    expect(system("bridge", { network: { ...network, found: "nothing" } })).toMatchObject({
      state: "fail",
      remedy: restart,
    });
    expect(system("bridge", { network: { ...network, up: false } })).toMatchObject({
      state: "fail",
      remedy: restart,
    });
  });
});

describe("forwarding", () => {
  test("matters only while a VM has NAT", () => {
    expect(system("forwarding").summary).toBe("no VM has NAT: nothing to forward");
    expect(system("forwarding", withNat)).toMatchObject({
      state: "fail",
      summary: "the host does not forward: guests with NAT reach nothing",
    });
  });

  test("is stopped by another firewall, which only root can see", () => {
    const forwards = { ...network, forwards: true };
    expect(system("forwarding", { ...withNat, network: forwards }).summary).toBe(
      "the host forwards; other firewalls are root's to see",
    );
    const gates = [{ chain: "ip filter FORWARD", open: false }];
    expect(system("forwarding", { ...withNat, network: { ...forwards, gates } })).toMatchObject({
      state: "fail",
      summary: "another firewall refuses what guests send: ip filter FORWARD",
    });
    const open = [{ chain: "ip filter FORWARD", open: true }];
    expect(system("forwarding", { ...withNat, network: { ...forwards, gates: open } }).state).toBe("pass");
  });
});

describe("what is left over", () => {
  test("of a VM that is gone is told, and who takes it away", () => {
    expect(system("leftovers", withNat)).toEqual({
      state: "warn",
      summary: "something is left of VMs that do not run: 3f2a91c0",
      remedy: restart,
    });
  });

  test("is not known where the daemon does not say which VMs there are", () => {
    expect(system("leftovers", { ...withNat, daemon: { ...daemon, answer: undefined } }).state).toBe("skip");
  });
});
