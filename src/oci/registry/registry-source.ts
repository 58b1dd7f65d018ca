/** An image in a registry, by the distribution specification's two endpoints for reading: manifests and blobs. */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import {
  type Answer,
  attempts,
  blobFrom,
  get,
  Interrupted,
  isLoopback,
  type Patience,
  pauseAsked,
  readBounded,
  refusesPart,
} from "../../download/download.ts";
import { acceptedTypes } from "../documents.ts";
import { imageLimits } from "../limits.ts";
import { apiHost, formatReference, type ImageReference } from "../reference.ts";
import type { FetchedDocument, ImageSource } from "../source.ts";
import { authorizer } from "./authorize.ts";
import type { CredentialSource } from "./credentials.ts";

export interface RegistryOptions {
  credentials: CredentialSource;
  /** Speak plain http with this registry. With registries on this machine's loopback that is done anyway. */
  insecureHttp: boolean;
  patience: Patience;
  /** PEM of whom to trust for a registry's host and port; undefined: whom Bun does. */
  authorities(host: string): Promise<string | undefined>;
}

export const plainHttpHint = "for a registry in a network that you trust: --insecure-http";

export function registrySource(reference: ImageReference, options: RegistryOptions): ImageSource {
  const { registry, repository, tag, digest } = reference;
  const host = apiHost(registry);
  const plain = options.insecureHttp || isLoopback(new URL(`http://${host}/`));
  const origin = new URL(`${plain ? "http" : "https"}://${host}/`);
  const plainHttpHost = options.insecureHttp ? origin.host : undefined;
  const { patience, credentials } = options;
  let trusted: Promise<string | undefined> | undefined;
  const authorities = () => {
    trusted ??= options.authorities(origin.host);
    return trusted;
  };
  const access = { registry, repository, origin, credentials, plainHttpHost, authorities, patience };
  const authorization = authorizer(access);
  const named = formatReference(reference);

  /** A server of https says so with a 400 when it is asked by http (nginx's and Go's do): one on this machine may be either. */
  const turnsToHttps = ({ status }: Answer): boolean => {
    if (status !== 400 || origin.protocol !== "http:" || options.insecureHttp) return false;
    origin.protocol = "https:";
    return true;
  };

  /** Anonymous at first; what is asked for is shown, and it is asked again. Resolves with 200, 206, or 416 where a part was asked for. */
  const ask = async (
    path: string,
    what: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Answer> => {
    for (;;) {
      const url = new URL(`v2/${repository}/${path}`, origin);
      const shown = authorization.header;
      const answer = await get({
        url,
        headers,
        authorization: shown,
        plainHttpHost,
        plainHttpHint,
        patience,
        signal,
        authorities: await authorities(),
      });
      const { status } = answer;
      if (status === 200 || status === 206 || refusesPart(status, headers)) {
        authorization.accepted(shown);
        return answer;
      }
      if (turnsToHttps(answer)) {
        answer.discard();
        continue;
      }
      const ownChallenge = answer.status === 401 && answer.url.origin === origin.origin;
      if (!ownChallenge) throw await failure(answer, { registry, what });
      answer.discard();
      await authorization.answer(shown, answer.headers, signal);
    }
  };

  const manifest = (name: string, what: string, signal: AbortSignal): Promise<FetchedDocument> =>
    attempts(patience, what, signal, async () => {
      const accept = acceptedTypes.join(", ");
      const { headers, body } = await ask(`manifests/${name}`, what, { accept }, signal);
      const bytes = await readBounded(body, imageLimits.documentBytes, what);
      return { bytes, mediaType: headers.get("content-type") ?? "" };
    });

  return {
    reference: named,
    root: (signal) => manifest(digest ?? tag ?? "latest", named, signal),
    document: (descriptor, signal) => manifest(descriptor.digest, descriptor.digest, signal),
    blob: (descriptor, from, signal) =>
      blobFrom(
        (headers) => ask(`blobs/${descriptor.digest}`, descriptor.digest, headers, signal),
        descriptor,
        from,
      ),
    close: async () => {},
  };
}

const RegistryErrors = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1),
});

interface Asked {
  registry: string;
  what: string;
}

/** What a status other than success means. Takes the answer's beginning for what the registry has to say about it. */
async function failure(answer: Answer, { registry, what }: Asked): Promise<Error> {
  const said = await registryWords(answer);
  const { status, headers, url } = answer;
  const elsewhere = url.host === apiHost(registry) ? "" : ` (at ${url.host})`;
  if (status === 429 || status >= 500) {
    const limited = status === 429 ? "wants fewer requests" : `answered with status ${status}`;
    return new Interrupted(`${registry}${elsewhere} ${limited}${said}`, {
      pauseMs: pauseAsked(headers),
    });
  }
  if (status === 404) {
    return new BangerError("not_found", `${registry} has no ${what}${elsewhere}${said}`, {
      hint: "check name and tag",
    });
  }
  if (status === 401 || status === 403) {
    return new BangerError("denied", `${registry}${elsewhere} does not give ${what} to you${said}`, {
      hint: `if it is a private image: docker login ${registry}`,
    });
  }
  return new BangerError("unavailable", `${registry}${elsewhere} answered with status ${status}${said}`);
}

async function registryWords({ body, discard }: Answer): Promise<string> {
  try {
    const { errors } = RegistryErrors.parse(
      JSON.parse((await readBounded(body, 64 * 1024, "")).toString("utf8")),
    );
    return `: ${errors[0]?.message || errors[0]?.code}`.replace(/\s+/g, " ").slice(0, 300);
  } catch {
    // Whatever it is, it is no explanation.
    discard();
    return "";
  }
}
