/**
 * GET as a registry's client may do it: redirects followed here, so that nothing that opens one host is shown to
 * another; a server that goes silent is left; no content is decoded on the way, because its digest is of what was sent.
 *
 * Proxies: HTTPS_PROXY, HTTP_PROXY and NO_PROXY are fetch's own business, but that this very machine is never asked for
 * by a proxy.
 */
import { BangerError } from "../base/base.ts";
import { Interrupted } from "./interrupted.ts";
import type { Patience } from "./patience.ts";

const maxRedirects = 5;

export interface GetRequest {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** Sent to the host of `url` only. */
  authorization?: string | undefined;
  /** Posted to the host of `url` only, which may not send it on to another; the only other method that is ever needed. */
  form?: URLSearchParams;
  /** Plain http may be spoken with this host. */
  plainHttpHost: string | undefined;
  /** What to do where it may not; undefined: nothing but asking by https. */
  plainHttpHint?: string;
  /** Whom to trust, as PEM. */
  authorities: string | undefined;
  patience: Patience;
  signal: AbortSignal;
}

export interface Answer {
  /** Who answered in the end. */
  url: URL;
  status: number;
  headers: Headers;
  body: AsyncIterable<Uint8Array>;
  /** Lets the rest of it go. */
  discard(): void;
}

/** Throws Interrupted, denied for an address that may not be asked, cancelled. */
export async function get(request: GetRequest): Promise<Answer> {
  let url = request.url;
  for (let redirects = 0; ; redirects += 1) {
    checkAddress(url, request);
    const answer = await ask(url, request, url.origin === request.url.origin);
    const location = answer.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer;
    answer.discard();
    if (redirects === maxRedirects) {
      throw new BangerError("unavailable", `${request.url.host} redirects more than ${maxRedirects} times`);
    }
    if (!URL.canParse(location, url.href)) {
      throw new BangerError("unavailable", `${url.host} redirects to what is no address`);
    }
    const next = new URL(location, url);
    if (url.protocol === "https:" && next.protocol !== "https:") {
      throw new BangerError("denied", `${url.host} redirects from https to ${next.protocol}//${next.host}`, {
        hint: "nobody may read or change on the way what was asked for by https",
      });
    }
    if (request.form !== undefined && next.origin !== request.url.origin) {
      throw new BangerError("denied", `${url.host} sends on to ${next.host} what is for it alone`, {
        hint: "a token server must take an identity token where the registry says that it is",
      });
    }
    url = next;
  }
}

function checkAddress(url: URL, { plainHttpHost, plainHttpHint }: GetRequest): void {
  if (url.username !== "" || url.password !== "") {
    throw new BangerError("denied", `an address with a password in it is not asked: ${url.host}`);
  }
  if (url.protocol === "https:") return;
  if (url.protocol === "http:" && (isLoopback(url) || url.host === plainHttpHost)) return;
  throw new BangerError(
    "denied",
    `${url.protocol}//${url.host} is not asked: only https is, except on this machine`,
    { hint: plainHttpHint },
  );
}

export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Bun takes it for "directly, whatever the environment says" (1.4.5; a test holds it to that), but has no type for it. */
const noProxy = false as unknown as string;

async function ask(url: URL, request: GetRequest, authorized: boolean): Promise<Answer> {
  const { signal, form, authorization } = request;
  const left = new AbortController();
  const within = async <T>(wait: Promise<T>): Promise<T> => {
    const silence = setTimeout(() => left.abort(), request.patience.silenceMs);
    try {
      return await wait;
    } catch (error) {
      throw explain(error, url, request, left.signal.aborted);
    } finally {
      clearTimeout(silence);
    }
  };
  const response = await within(
    fetch(url.href, {
      method: form === undefined ? "GET" : "POST",
      body: form?.toString() ?? null,
      headers: {
        ...request.headers,
        ...(form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
        "user-agent": "banger",
        "accept-encoding": "identity",
        ...(authorized && authorization !== undefined ? { authorization } : {}),
      },
      redirect: "manual",
      decompress: false,
      signal: AbortSignal.any([signal, left.signal]),
      ...(request.authorities === undefined ? {} : { tls: { ca: request.authorities } }),
      ...(isLoopback(url) ? { proxy: noProxy } : {}),
    }),
  );
  return {
    url,
    status: response.status,
    headers: response.headers,
    body: watched(response, within, request.patience),
    discard: () => left.abort(),
  };
}

/** The body, for as long as it comes with some speed. How long whoever reads it takes is not the server's time. */
async function* watched(
  response: Response,
  within: <T>(wait: Promise<T>) => Promise<T>,
  { slowMs, slowBytes }: Patience,
): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let waitedMs = 0;
  let bytes = 0;
  try {
    for (;;) {
      const asked = performance.now();
      const { done, value } = await within(reader.read());
      if (done) return;
      waitedMs += performance.now() - asked;
      bytes += value.length;
      if (waitedMs > slowMs) {
        if (bytes < slowBytes)
          throw new Interrupted(`only ${bytes} bytes came in ${Math.round(slowMs / 1000)} s`);
        waitedMs = 0;
        bytes = 0;
      }
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {
      // It has failed, which was told.
    });
  }
}

function explain(
  error: unknown,
  { host }: URL,
  { signal, patience, plainHttpHint }: GetRequest,
  silent: boolean,
): unknown {
  if (signal.aborted) return new BangerError("cancelled", "cancelled", { cause: signal.reason });
  if (error instanceof BangerError) return error;
  if (silent) return new Interrupted(`${host} said nothing for ${Math.round(patience.silenceMs / 1000)} s`);
  const said = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  if (/CERT|SIGNATURE|ISSUER|TLS|SSL/.test(code)) {
    return new BangerError("unavailable", `${host} cannot show who it is: ${said}`, {
      hint: "its certificate must be of an authority that this machine trusts",
      cause: error,
    });
  }
  if (code === "EPROTO") {
    return new BangerError("unavailable", `${host} does not speak https`, {
      hint: plainHttpHint,
      cause: error,
    });
  }
  // Bun's own advice to its programmers follows the first sentence.
  return new Interrupted(`${host}: ${said.split(/\. (?=For more|Is the)/)[0]}`, { cause: error });
}
