import { describe, expect, test } from "bun:test";
import { runCli } from "../run-cli.ts";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { fakeGuest } from "../testing/fake-guest.ts";
import { session } from "../testing/harness.ts";

function guest(): FakeDaemon {
  const daemon: FakeDaemon = new FakeDaemon(
    fakeGuest(
      () => daemon,
      async () => 0,
    ),
  );
  return daemon;
}

describe("a command of another user", () => {
  test("says who, and nothing where nobody is asked for", async () => {
    const daemon = guest();
    for (const words of [["--user", "app:staff"], []])
      await runCli(["vm", "exec", "x", ...words, "--", "id"], session({ daemon }).ctx);
    const asked = daemon.calls.filter(({ method }) => method === "guest.exec").map(({ params }) => params);
    expect(asked).toEqual([
      { ref: "x", argv: ["id"], user: "app:staff" },
      { ref: "x", argv: ["id"] },
    ]);
  });

  test("is refused where it is nobody's name", async () => {
    const daemon = guest();
    const run = session({ daemon });
    expect(await runCli(["vm", "exec", "x", "--user", "a:b:c", "--", "id"], run.ctx)).not.toBe(0);
    expect(run.err()).toContain("must be USER or USER:GROUP");
    expect(daemon.methods).not.toContain("guest.exec");
  });
});
