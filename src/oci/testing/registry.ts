/** A registry on loopback that tests make misbehave. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BuiltImage } from "./image-builder.ts";

export type Serve = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestRegistry {
  /** 127.0.0.1:PORT */
  host: string;
  /** "GET PATH", with the Authorization and Range headers where there were any. */
  requests: string[];
  /** Answers before the registry does; true when it has. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Under the name `image` and the tag `t`. */
  put(image: BuiltImage): void;
  /** Bytes of blobs that were sent. */
  sentBytes: number;
  close(): void;
}

export async function testRegistry(): Promise<TestRegistry> {
  const manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  const blobs = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const { authorization, range } = request.headers;
    const shown = [request.method, request.url, authorization, range].filter((word) => word !== undefined);
    registry.requests.push(shown.join(" "));
    if (registry.intercept(request, response)) return;
    const [, kind = "", name = ""] = /^\/v2\/image\/(manifests|blobs)\/(.+)$/.exec(request.url ?? "") ?? [];
    const manifest = kind === "manifests" ? manifests.get(name) : undefined;
    if (manifest !== undefined) {
      response.writeHead(200, {
        "content-type": manifest.mediaType,
        "content-length": manifest.bytes.length,
      });
      response.end(manifest.bytes);
      return;
    }
    const blob = kind === "blobs" ? blobs.get(name) : undefined;
    if (blob !== undefined) {
      registry.sentBytes += sendBlob(response, blob, range);
      return;
    }
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const registry: TestRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    intercept: () => false,
    put: ({ blobs: more, manifest }) => {
      for (const [digest, bytes] of more) blobs.set(digest, bytes);
      const { bytes, mediaType } = manifest;
      for (const name of ["t", manifest.digest]) manifests.set(name, { bytes, mediaType });
    },
    sentBytes: 0,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return registry;
}

export function sendBlob(response: ServerResponse, blob: Buffer, range: string | undefined): number {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const part = blob.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    "content-length": part.length,
    ...(from > 0 ? { "content-range": `bytes ${from}-${blob.length - 1}/${blob.length}` } : {}),
  });
  response.end(part);
  return part.length;
}
