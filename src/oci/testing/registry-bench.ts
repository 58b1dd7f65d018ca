/** What tests of pulling from a registry stand on: a directory, a registry, other servers, gone after each test. */
import { afterEach, beforeEach } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuiltImage } from "./image-builder.ts";
import { type Flattened, type PullOptions, pullForTest } from "./pull.ts";
import { type TestRegistry, testRegistry } from "./registry.ts";

export interface RegistryBench {
  dir: string;
  cache: string;
  registry: TestRegistry;
  /** Names in the cache's directory of blobs. */
  blobs(): string[];
  /** Those that are whole. */
  wholeBlobs(): string[];
  pull(options?: Partial<PullOptions>, name?: string): Promise<Flattened>;
  /** HOST:PORT of another server. */
  serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string>;
  listen(server: Server): Promise<string>;
}

/** Set up anew before each test; the registry has `image`. */
export function registryBench(image: BuiltImage): RegistryBench {
  const servers: Server[] = [];
  const blobs = () => readdirSync(join(bench.cache, "oci/blobs/sha256")).sort();
  const listen = async (server: Server) => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const bench = {
    dir: "",
    cache: "",
    blobs,
    wholeBlobs: () => blobs().filter((name) => !name.startsWith(".")),
    pull: (options = {}, name = `${bench.registry.host}/image:t`) =>
      pullForTest(name, { cache: bench.cache, ...options }),
    serve: (answer) => listen(createServer(answer)),
    listen,
  } as RegistryBench;
  beforeEach(async () => {
    bench.dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
    bench.cache = join(bench.dir, "cache");
    bench.registry = await testRegistry();
    bench.registry.put(image);
  });
  afterEach(() => {
    bench.registry.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(bench.dir, { recursive: true });
  });
  return bench;
}
