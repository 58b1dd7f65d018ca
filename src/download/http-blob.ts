/** Blobs by HTTP: what an answer is a part of, and files at an address of their own. */
import { BangerError } from "../base/base.ts";
import type { BlobId, BlobSource, BlobStream } from "./fetch-blob.ts";
import { type Answer, get } from "./http.ts";
import { Interrupted } from "./interrupted.ts";
import type { Patience } from "./patience.ts";

/** For a request from byte `from` on. */
function rangeFrom(from: number): Record<string, string> {
  return from === 0 ? {} : { range: `bytes=${from}-` };
}

/** Whether a server does not give a part, which is no word about the whole (RFC 9110, 15.5.17). */
export function refusesPart(status: number, headers: Readonly<Record<string, string>>): boolean {
  return status === 416 && headers.range !== undefined;
}

/**
 * What a server answers to `ask` with rangeFrom's headers: 200, 206, or what refusesPart, and then it is asked for the
 * whole. Throws corrupt for another size, Interrupted for another part.
 */
export async function blobFrom(
  ask: (headers: Record<string, string>) => Promise<Answer>,
  { digest, size }: BlobId,
  from: number,
): Promise<BlobStream> {
  let answer = await ask(rangeFrom(from));
  if (refusesPart(answer.status, rangeFrom(from))) {
    answer.discard();
    answer = await ask({});
  }
  const { status, headers, body } = answer;
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(?:(\d+)|\*)$/.exec(headers.get("content-range") ?? "");
    const start = Number(range?.[1] ?? -1);
    if (start === from && (range?.[2] === undefined || Number(range[2]) === size))
      return { start, chunks: body };
    answer.discard();
    throw new Interrupted(`${answer.url.host} sent another part of ${digest} than was asked for`);
  }
  // Known before the first byte: a wrong size is a lie, or another blob.
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== size) {
    answer.discard();
    throw new BangerError(
      "corrupt",
      `blob ${digest} has ${Number(length)} bytes at ${answer.url.host}, but its manifest says ${size}`,
    );
  }
  return { start: 0, chunks: body };
}

export interface HttpFile {
  url: URL;
  /** PEM of whom to trust for a host and port; undefined: whom Bun does. */
  authorities(host: string): Promise<string | undefined>;
  patience: Patience;
}

/** A file by its address: https, or http on this machine's loopback. */
export function httpFile({ url, authorities, patience }: HttpFile): BlobSource {
  return {
    blob: async (blob, from, signal) => {
      const ask = async (headers: Record<string, string>) => {
        const answer = await get({
          ...{ url, headers, patience, signal, plainHttpHost: undefined },
          authorities: await authorities(url.host),
        });
        const { status } = answer;
        if (status !== 200 && status !== 206 && !refusesPart(status, headers)) throw refused(answer, url);
        return answer;
      };
      return await blobFrom(ask, blob, from);
    },
  };
}

/** What a status other than success means, for a file that nobody has to log in for. */
export function refused({ status, headers, discard }: Answer, url: URL): Error {
  discard();
  if (status === 429 || status >= 500) {
    return new Interrupted(`${url.host} answered with status ${status}`, { pauseMs: pauseAsked(headers) });
  }
  if (status === 404) return new BangerError("not_found", `there is no ${url.href}`);
  return new BangerError("unavailable", `${url.href} is not to be had: status ${status}`);
}

/** How long a server wants to be left alone: Retry-After in seconds, half a minute at most. */
export function pauseAsked(headers: Headers): number {
  const seconds = Number(headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) ? Math.min(30, Math.max(0, seconds)) * 1000 : 0;
}
