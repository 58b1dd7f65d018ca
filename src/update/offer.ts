/** A release that was found and whose signature is right: the first point from which on anything is believed. */
import type { KeyObject } from "node:crypto";
import { BangerError } from "../base/base.ts";
import {
  attempts,
  Digest,
  get,
  isSigned,
  type Patience,
  readBounded,
  refused,
} from "../download/download.ts";
import { type Manifest, maxManifest, readManifest } from "./manifest.ts";
import { maxSums, readSums } from "./sums.ts";

/** In bytes, at most. */
const maxSignature = 1024;

export interface Route {
  /** PEM of whom to trust for a host and port; undefined: whom Bun does. */
  authorities(host: string): Promise<string | undefined>;
  patience: Patience;
  signal: AbortSignal;
}

export interface Offer {
  version: string;
  /** When it was signed: RFC 3339, in UTC. */
  date: string;
  tarball: { url: URL; digest: Digest };
}

/** Throws not_found, unavailable; corrupt for what is none, or larger than any. */
export async function fetchManifest(url: URL, route: Route): Promise<Manifest> {
  return readManifest(await document(url, maxManifest, route), url.href);
}

/** Throws not_found for a version that there is not, denied for what is not signed, or was signed for another one. */
export async function fetchOffer(
  version: string,
  manifest: Manifest,
  at: URL,
  key: KeyObject,
  route: Route,
): Promise<Offer> {
  const found = Object.hasOwn(manifest.releases, version) ? manifest.releases[version] : undefined;
  if (found === undefined) {
    const { latest_stable: latest } = manifest;
    throw new BangerError("not_found", `there is no release v${version}`, {
      hint: latest === null ? undefined : `the latest is v${latest}`,
    });
  }
  // All of them before the first is asked for.
  const [sumsAt, signatureAt, tarballAt] = [found.sums, found.sig, found.tarball].map((each) =>
    resolve(each, at),
  ) as [URL, URL, URL];
  const [sums, signature] = await Promise.all([
    document(sumsAt, maxSums, route),
    document(signatureAt, maxSignature, route),
  ]);
  if (!isSigned(sums, signature.toString("latin1"), key))
    throw distrusted(`the signature of v${version} is not right`);
  const signed = readSums(sums);
  if (signed.version !== version)
    throw distrusted(`the server gave what was signed for v${signed.version}, not for v${version}`);
  const name = `banger-${version}-linux-amd64.tar.gz`;
  const sum = signed.files.get(name);
  if (sum === undefined) throw distrusted(`what was signed for v${version} does not name ${name}`);
  const tarball = { url: tarballAt, digest: Digest.parse(`sha256:${sum}`) };
  return { version, date: signed.date, tarball };
}

async function document(url: URL, maxBytes: number, route: Route): Promise<Buffer> {
  return attempts(route.patience, url.href, route.signal, async () => {
    const answer = await get({
      ...{ url, headers: {}, plainHttpHost: undefined, patience: route.patience, signal: route.signal },
      authorities: await route.authorities(url.host),
    });
    if (answer.status !== 200) throw refused(answer, url);
    try {
      return await readBounded(answer.body, maxBytes, url.href);
    } catch (error) {
      answer.discard();
      throw error;
    }
  });
}

/** Throws corrupt for what is none, denied for one that leads away from https. */
function resolve(address: string, at: URL): URL {
  if (!URL.canParse(address, at.href))
    throw new BangerError("corrupt", `the list of releases leads to what is no address: ${address}`);
  const url = new URL(address, at);
  if (at.protocol !== "https:" || url.protocol === "https:") return url;
  throw new BangerError("denied", `the list of releases leads from https to ${url.protocol}//${url.host}`, {
    hint: "nobody may see or change on the way what is asked for: tell whoever keeps that list",
  });
}

function distrusted(what: string): BangerError {
  return new BangerError("denied", `${what}: nothing was installed`, {
    hint: "this is not what was released, or this banger is too old: try again later; if it stays so, tell the project",
  });
}
