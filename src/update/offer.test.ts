import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { patience } from "../download/download.ts";
import { fetchOffer, type Route } from "./offer.ts";
import { failure } from "./testing/bed.ts";

const route: Route = {
  authorities: async () => undefined,
  ...{ patience, signal: new AbortController().signal },
};
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });

test.each(["tarball", "sums", "sig"])(
  "a list that came by https leads to a %s by http: refused",
  async (which) => {
    const files = { tarball: "t", sums: "s", sig: "g", [which]: "http://127.0.0.1:1/x" };
    const manifest = { schema_version: 1 as const, latest_stable: "1.3.0", releases: { "1.3.0": files } };
    // Nobody is asked: there is no such host.
    const at = new URL("https://releases.invalid/manifest.json");
    expect(await failure(fetchOffer("1.3.0", manifest, at, publicKey, route))).toMatchObject({
      code: "denied",
      message: "the list of releases leads from https to http://127.0.0.1:1",
    });
  },
);
