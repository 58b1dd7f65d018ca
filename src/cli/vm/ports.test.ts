import { expect, test } from "bun:test";
import type { Result } from "../../rpc/contract.ts";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

const port = (port: number, address: string, process: string, protocol: "tcp" | "udp" = "tcp") => ({
  ...{ protocol, address, port, process },
});

function daemonWith(ports: Result<"vm.ports">): FakeDaemon {
  return new FakeDaemon({
    "vm.resolve": ({ refs }) =>
      refs.map((ref) =>
        ref === "nobody"
          ? { ref, error: { code: "not_found", message: "there is no VM nobody" } }
          : { ref, vm: fakeVm(ref) },
      ),
    "vm.ports": () => ports,
  });
}

test("vm ports has a row a port, with where to reach it and a link where there may be one", async () => {
  const daemon = daemonWith([
    port(8080, "0.0.0.0", "node"),
    port(8080, "::", "node"),
    port(22, "0.0.0.0", "sshd"),
    port(5432, "127.0.0.1", "postgres"),
    port(5432, "::1", "postgres"),
    port(3000, "127.0.0.1", "node"),
    port(68, "10.0.0.2", "", "udp"),
    port(443, "::", "nginx"),
  ]);
  const { status, out } = await banger(["vm", "ports", "calm-otter"], { daemon });
  expect(status).toBe(0);
  expect(`\n${out}`).toMatchInlineSnapshot(`
    "
    ENDPOINT            PROTOCOL  ADDRESS        PROCESS   LINK
    calm-otter.vm:22    tcp       *              sshd      -
    calm-otter.vm:68    udp       10.0.0.2       -         -
    calm-otter.vm:443   tcp       *              nginx     https://calm-otter.vm/
    calm-otter.vm:3000  tcp       127.0.0.1      node      -
    calm-otter.vm:5432  tcp       127.0.0.1,::1  postgres  -
    calm-otter.vm:8080  tcp       *              node      http://calm-otter.vm:8080/
    "
  `);
});

test("vm ports --json tells of all VMs that could be asked, and fails for the others", async () => {
  const daemon = daemonWith([port(80, "0.0.0.0", "nginx")]);
  const { status, out, err } = await banger(["vm", "ports", "calm-otter", "nobody", "--json"], { daemon });
  expect([status, err]).toEqual([1, "banger: there is no VM nobody\n"]);
  expect(JSON.parse(out)).toEqual([
    {
      vm: { id: fakeVm("calm-otter").id, name: "calm-otter" },
      ...{ endpoint: "calm-otter.vm:80", protocol: "tcp", port: 80, addresses: ["*"], process: "nginx" },
      link: "http://calm-otter.vm/",
    },
  ]);
});

test("vm ports says when nothing listens", async () => {
  const { status, out, err } = await banger(["vm", "ports", "calm-otter"], { daemon: daemonWith([]) });
  expect([status, out, err]).toEqual([0, "", "nothing listens in VM calm-otter\n"]);
});
