/** https as registries speak it: whose certificate is trusted, and whose is not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trustedAuthorities } from "../../src/download/download.ts";
import { failure, saying } from "../../src/oci/testing/failures.ts";
import { buildImage } from "../../src/oci/testing/image-builder.ts";
import { pullForTest } from "../../src/oci/testing/pull.ts";
import { type TestRegistry, testRegistry } from "../../src/oci/testing/registry.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";

const image = buildImage([tar([{ path: "a" }])]);
let dir: string;
let registry: TestRegistry;
let store: Server;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
  const openssl = (...args: string[]) => {
    const run = Bun.spawnSync(["openssl", ...args], { cwd: dir });
    if (run.exitCode !== 0) throw new Error(run.stderr.toString());
  };
  const made = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...made, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=an authority");
  openssl("req", ...made, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  writeFileSync(join(dir, "names"), "subjectAltName=DNS:localhost");
  const sign = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"];
  openssl("x509", "-req", "-in", "server.csr", ...sign, "-out", "server.crt");
  const key = readFileSync(join(dir, "server.key"));
  store = createServer({ key, cert: readFileSync(join(dir, "server.crt")) }, (request, response) => {
    const name = request.url?.split("/").at(-1) ?? "";
    const { bytes, mediaType } = image.manifest;
    if (name === "t") response.writeHead(200, { "content-type": mediaType }).end(bytes);
    else response.end(image.blobs.get(name));
  });
  await new Promise<void>((resolve) => store.listen(0, "127.0.0.1", resolve));
  registry = await testRegistry();
  registry.put(image);
});
afterAll(() => {
  registry.close();
  store.close();
  rmSync(dir, { recursive: true });
});

/** Blobs by https, of a server that is called `name`. */
function pull(name: string, authorities?: string) {
  const { port } = store.address() as AddressInfo;
  registry.intercept = (request, response) => {
    if (!request.url?.includes("/blobs/")) return false;
    response.writeHead(307, { location: `https://${name}:${port}/${request.url.split("/").at(-1)}` }).end();
    return true;
  };
  const options = authorities === undefined ? {} : { authorities };
  return pullForTest(`${registry.host}/image:t`, { cache: mkdtempSync(join(dir, "cache-")), ...options });
}

const authority = () => readFileSync(join(dir, "ca.crt"), "utf8");

test("a certificate of an authority that is trusted is taken, for the name that it is of", async () => {
  expect((await pull("localhost", authority())).root.names()).toEqual(["a"]);
  expect(await failure(pull("127.0.0.1", authority()))).toMatchObject(
    saying("unavailable", /cannot show who it is/),
  );
});

test("one of nobody that is known is not", async () => {
  expect(await failure(pull("localhost"))).toMatchObject(saying("unavailable", /cannot show who it is/));
});

test("trusted are the machine's authorities, and docker's for one registry", async () => {
  const certificates = join(dir, "certs.d");
  mkdirSync(join(certificates, "r.example:5000"), { recursive: true });
  writeFileSync(join(certificates, "r.example:5000/ca.crt"), authority());
  writeFileSync(join(certificates, "r.example:5000/client.key"), "not this");
  const machine = join(dir, "machine.pem");
  writeFileSync(machine, "machine's");
  const trusted = (host: string) => trustedAuthorities({ SSL_CERT_FILE: machine }, host, certificates);
  expect(await trusted("r.example")).toBe("machine's");
  expect(await trusted("r.example:5000")).toBe(`machine's\n${authority()}`);
  expect(await trustedAuthorities({ SSL_CERT_FILE: "/nosuch" }, "r.example", certificates)).toBeUndefined();
});

test("a registry on this machine that answers plain http with a 400 is asked by https", async () => {
  const { port } = store.address() as AddressInfo;
  const asked: string[] = [];
  // As Go's and nginx's servers: both on one port.
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (first) => {
      asked.push(first[0] === 0x16 ? "https" : "http");
      if (first[0] !== 0x16) {
        socket.end("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
        return;
      }
      const behind = connect(port, "127.0.0.1", () => behind.write(first));
      behind.on("error", () => socket.destroy());
      socket.pipe(behind).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const own = (server.address() as AddressInfo).port;
  const pulled = await pullForTest(`localhost:${own}/image:t`, {
    cache: mkdtempSync(join(dir, "cache-")),
    authorities: authority(),
  });
  server.close();
  expect(pulled.root.names()).toEqual(["a"]);
  expect(asked[0]).toBe("http");
  expect(new Set(asked.slice(1))).toEqual(new Set(["https"]));
});
