import { describe, expect, test } from "bun:test";
import { healthy, systemPlace, verdict } from "../testing/healthy.ts";

const { guestPath, nameServer } = healthy;
const said = (change: Partial<typeof guestPath>) =>
  verdict("guest-path", { guestPath: { ...guestPath, ...change } }, systemPlace);

describe("the way of guests' packets", () => {
  test("is well when bridge and name server answer", () => {
    expect(said({})).toMatchObject({
      state: "pass",
      summary: "a guest's packets reach the bridge, and 192.0.2.53 by NAT",
    });
    // That there is none to ask is said by name-server.
    expect(said({ server: undefined, serverMs: null }).summary).toBe("a guest's packets reach the bridge");
  });

  test("that does not even lead to the bridge is made anew", () => {
    expect(said({ bridgeMs: null, serverMs: null })).toMatchObject({
      state: "fail",
      summary: "the bridge does not answer what a guest sends",
      remedy: ["sudo banger system restart", "sudo nft list ruleset"],
    });
  });

  test("is to blame for a name server that answers this host, and not for one that answers nobody", () => {
    expect(said({ serverMs: null })).toMatchObject({
      state: "fail",
      summary: "a guest with NAT gets no answer from 192.0.2.53, which answers this host",
      remedy: ["sudo banger system restart", "sudo nft list ruleset", expect.stringContaining("default_dns")],
    });
    const { state, summary } = verdict(
      "guest-path",
      {
        guestPath: { ...guestPath, serverMs: null },
        nameServer: { ...nameServer, answerMs: undefined },
      },
      systemPlace,
    );
    expect([state, summary]).toEqual(["warn", expect.stringContaining("does not answer this host either")]);
  });
});
