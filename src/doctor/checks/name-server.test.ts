import { describe, expect, test } from "bun:test";
import { healthy, judged, systemPlace, verdict } from "../testing/healthy.ts";

const { nameServer } = healthy;
const said = (change: Partial<typeof nameServer>) =>
  verdict("name-server", { nameServer: { ...nameServer, ...change } }, systemPlace);

describe("the name server of guests", () => {
  test("is well when it answers, whatever it says", () => {
    expect(said({})).toMatchObject({ state: "pass", summary: "192.0.2.53 answers" });
  });

  test("that does not answer, or that nobody names, is one to be named in config.toml", () => {
    expect(said({ answerMs: undefined })).toMatchObject({
      state: "warn",
      summary: "the name server 192.0.2.53 does not answer",
      remedy: [expect.stringContaining("default_dns")],
    });
    expect(said({ server: undefined, answerMs: undefined }).summary).toBe(
      "this host names no name server that guests could ask",
    );
  });

  test("is gone with systemd-resolved, which is started", () => {
    const gone = { server: undefined, answerMs: undefined, resolvedStopped: true };
    expect(said(gone)).toMatchObject({
      state: "warn",
      remedy: ["sudo systemctl start systemd-resolved", expect.any(String)],
    });
    // What the host cannot look up, it cannot fetch for images either.
    expect(said({ ...gone, server: "192.0.2.1", configured: true, answerMs: 3 }).state).toBe("warn");
  });
});

test("what --fix may do needs root where the remedy needs sudo, and is the remedy itself", () => {
  const [ill] = judged({ nameServer: { ...nameServer, resolvedStopped: true } }, systemPlace).filter(
    ({ id }) => id === "name-server",
  );
  expect(ill?.fixes).toEqual([
    {
      command: ["systemctl", "start", "systemd-resolved"],
      line: "sudo systemctl start systemd-resolved",
      possible: false,
    },
  ]);
  const [byRoot] = judged(
    { nameServer: { ...nameServer, resolvedStopped: true } },
    { ...systemPlace, uid: 0 },
  ).filter(({ id }) => id === "name-server");
  expect(byRoot?.fixes[0]).toMatchObject({ line: "systemctl start systemd-resolved", possible: true });
});
