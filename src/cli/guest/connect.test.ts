import { describe, expect, test } from "bun:test";
import { buffer } from "node:stream/consumers";
import { BangerError } from "../../base/base.ts";
import { runCli } from "../run-cli.ts";
import { bytePair } from "../testing/byte-pair.ts";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger, session } from "../testing/harness.ts";
import { chunksOf } from "./streams.ts";

test("internal connect joins a guest's port to stdin and stdout, each way half-closed by itself", async () => {
  const [near, far] = bytePair();
  const daemon: FakeDaemon = new FakeDaemon({
    "guest.connect": ({ ref, port }) => {
      expect([ref, port]).toEqual(["calm-otter", 22]);
      return { ticket: daemon.ticket(near) };
    },
  });
  const answer = buffer(chunksOf(far)).then((request) =>
    far.end(Buffer.concat([Buffer.from("got "), request])),
  );
  const { status, out } = await banger(["internal", "connect", "calm-otter.vm", "22"], {
    daemon,
    stdin: "SSH-2.0",
  });
  await answer;
  expect([status, out]).toEqual([0, "got SSH-2.0"]);
});

describe("a port that refuses", () => {
  const refusal = () =>
    new BangerError("unavailable", "port 22 in the guest cannot be reached: connection refused");

  /** A guest that started `ageMs` ago and whose port opens at the third attempt. */
  function guestOfAge(ageMs: number): FakeDaemon {
    let attempts = 0;
    const startedAt = new Date(Date.parse("2026-03-04T12:00:00Z") - ageMs).toISOString();
    const daemon: FakeDaemon = new FakeDaemon({
      "vm.show": () => fakeVm("calm-otter", { startedAt }),
      "guest.connect": () => {
        attempts += 1;
        if (attempts < 3) throw refusal();
        const [near, far] = bytePair();
        far.end("SSH-2.0");
        return { ticket: daemon.ticket(near) };
      },
    });
    return daemon;
  }

  test("is waited for while the guest is young", async () => {
    const daemon = guestOfAge(2000);
    const run = session({ daemon });
    const status = runCli(["internal", "connect", "calm-otter.vm", "22"], run.ctx);
    while (run.out() === "") {
      await new Promise((resolve) => setImmediate(resolve));
      run.advance(200);
    }
    expect([await status, run.out()]).toEqual([0, "SSH-2.0"]);
    expect(daemon.methods).toEqual(["guest.connect", "vm.show", "guest.connect", "guest.connect"]);
  });

  test("is an error at once when the guest has long been up", async () => {
    const { status, err } = await banger(["internal", "connect", "x", "22"], { daemon: guestOfAge(60_000) });
    expect([status, err]).toEqual([
      1,
      "banger: no ssh server answers in x: port 22 in the guest cannot be reached: connection refused\n" +
        "  hint: without one: banger vm exec x -- COMMAND; with one: banger image pull --provision\n",
    ]);
  });
});
