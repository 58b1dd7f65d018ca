/**
 * What a registry wants to be shown (the distribution project's token specification): it answers 401 with a challenge;
 * Basic takes name and password, Bearer a token, which a token server at the challenge's realm hands out for a scope,
 * for name and password, for an identity token (OAuth2), or to anybody.
 *
 * Only the registry's own challenges are answered. The realm may be another host, as it is in the ecosystem, but only
 * by https: what is shown there are this registry's credentials.
 */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { get, isLoopback, type Patience, readBounded } from "../../download/download.ts";
import { checked, parseJson } from "../documents.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { CredentialSource, Credentials } from "./credentials.ts";

const TokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });
const maxTokenBytes = 256 * 1024;

export interface Authorizer {
  /** The Authorization header for the next request; undefined as long as nobody asked. */
  readonly header: string | undefined;
  /** A request that showed `shown` was answered. */
  accepted(shown: string | undefined): void;
  /** One that showed `shown` was answered with status 401 by the registry. Throws denied when there is nothing else to show. */
  answer(shown: string | undefined, headers: Headers, signal: AbortSignal): Promise<void>;
}

export interface RegistryAccess {
  /** As references name it. */
  registry: string;
  repository: string;
  /** Where its API is. */
  origin: URL;
  credentials: CredentialSource;
  plainHttpHost: string | undefined;
  authorities(): Promise<string | undefined>;
  patience: Patience;
}

/** For one repository: a token is for a scope, and the scope is reading this one. */
export function authorizer(access: RegistryAccess): Authorizer {
  let header: string | undefined;
  let wasAccepted = false;
  let credentials: Promise<Credentials | undefined> | undefined;
  let answering: Promise<void> = Promise.resolve();

  const answer = async (shown: string | undefined, headers: Headers, signal: AbortSignal): Promise<void> => {
    // Answered meanwhile, for another layer.
    if (header !== shown) return;
    // A token ends after minutes, which a large layer takes longer than: one that was good may be renewed.
    if (header !== undefined && !wasAccepted) throw refused(access);
    const challenges = parseChallenges(headers.get("www-authenticate") ?? "");
    const bearer = challenges.find(({ scheme, params }) => scheme === "bearer" && params.has("realm"));
    const basic = challenges.find(({ scheme }) => scheme === "basic");
    if (bearer === undefined && basic === undefined) throw unknownChallenge(access, challenges);
    credentials ??= access.credentials(access.registry, signal);
    const known = await credentials;
    if (known?.kind === "registry") header = `Bearer ${known.token}`;
    else if (bearer !== undefined) header = `Bearer ${await fetchToken(access, bearer, known, signal)}`;
    else header = basicHeader(access, known);
    // The same again would be refused again.
    if (header === shown) throw refused(access);
    wasAccepted = false;
  };
  return {
    get header() {
      return header;
    },
    accepted: (shown) => {
      if (shown === header) wasAccepted = true;
    },
    answer: (shown, headers, signal) => {
      const next = answering.then(() => answer(shown, headers, signal));
      answering = next.catch(() => {
        // Told to whom it concerns; the next one is another attempt.
      });
      return next;
    },
  };
}

function basicHeader(access: RegistryAccess, credentials: Credentials | undefined): string {
  if (credentials?.kind !== "password") throw refused(access);
  return basicFor(credentials);
}

function basicFor({ username, password }: Credentials & { kind: "password" }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function fetchToken(
  access: RegistryAccess,
  { params }: Challenge,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<string> {
  const realm = realmOf(access, params.get("realm") ?? "");
  const query = {
    ...(params.has("service") ? { service: params.get("service") ?? "" } : {}),
    scope: params.get("scope") ?? `repository:${access.repository}:pull`,
  };
  const { plainHttpHost, patience } = access;
  const authorities = await access.authorities();
  const request = { headers: { accept: "application/json" }, plainHttpHost, authorities, patience, signal };
  if (credentials?.kind === "identity") {
    const form = new URLSearchParams({
      ...query,
      grant_type: "refresh_token",
      client_id: "banger",
      refresh_token: credentials.token,
    });
    return await readToken(access, await get({ ...request, url: realm, form }));
  }
  for (const [name, value] of Object.entries(query)) realm.searchParams.set(name, value);
  const authorization = credentials?.kind === "password" ? basicFor(credentials) : undefined;
  return await readToken(access, await get({ ...request, url: realm, authorization }));
}

function realmOf({ registry, origin }: RegistryAccess, text: string): URL {
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const sameHost = realm?.origin === origin.origin;
  const bothHere = realm?.protocol === "http:" && isLoopback(realm) && isLoopback(origin);
  if (realm !== undefined && (realm.protocol === "https:" || sameHost || bothHere)) return realm;
  throw new BangerError(
    "denied",
    `${registry} asks for a token of a server that is not asked: ${JSON.stringify(text.slice(0, 200))}`,
    {
      hint: "a token server on another host must speak https",
    },
  );
}

async function readToken(
  access: RegistryAccess,
  { url, status, body, discard }: Awaited<ReturnType<typeof get>>,
): Promise<string> {
  if (status === 401 || status === 403) {
    discard();
    throw refused(access);
  }
  const what = `the answer of the token server ${url.host}`;
  if (status !== 200) {
    discard();
    throw new BangerError("unavailable", `the token server ${url.host} answered with status ${status}`);
  }
  const answer = checked(TokenAnswer, parseJson(await readBounded(body, maxTokenBytes, what), what), what);
  const token = answer.token ?? answer.access_token;
  // It becomes a header.
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token))
    throw new BangerError("corrupt", `${what} has no token in it`);
  return token;
}

function refused({ registry, repository }: RegistryAccess): BangerError {
  return new BangerError(
    "denied",
    `${registry} does not give ${repository} to you: it wants other credentials, or there is no such image`,
    {
      hint: `check the name; if it is a private one: docker login ${registry}`,
    },
  );
}

function unknownChallenge({ registry }: RegistryAccess, challenges: readonly Challenge[]): BangerError {
  const schemes = challenges.map(({ scheme }) => scheme).join(", ");
  return new BangerError(
    "denied",
    `${registry} wants to know who asks, in a way that banger does not know: ${schemes || "it does not say how"}`,
  );
}
