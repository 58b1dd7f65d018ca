import { describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import { failure, saying } from "../testing/failures.ts";
import { buildImage } from "../testing/image-builder.ts";
import { registryBench } from "../testing/registry-bench.ts";
import { tar } from "../testing/tar-writer.ts";
import type { Credentials } from "./credentials.ts";

const image = buildImage([tar([{ path: "a" }]), tar([{ path: "b" }])]);
const bench = registryBench(image);
const { pull } = bench;

const password: Credentials = { kind: "password", username: "ann", password: "s3:cret" };
const basic = `Basic ${Buffer.from("ann:s3:cret").toString("base64")}`;

describe("what comes", () => {
  test("is taken as it was sent, whatever encoding the server says that it has", async () => {
    const encodings: (string | undefined)[] = [];
    bench.registry.intercept = (request, response) => {
      if (!request.url?.includes("/blobs/")) return false;
      encodings.push(request.headers["accept-encoding"]);
      const digest = request.url.split("/").at(-1) ?? "";
      const blob = image.blobs.get(digest) ?? Buffer.alloc(0);
      const packed = image.layers.some((layer) => layer.digest === digest);
      response.writeHead(200, {
        "content-length": blob.length,
        ...(packed ? { "content-encoding": "gzip" } : {}),
      });
      response.end(blob);
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(encodings).toEqual(["identity", "identity", "identity"]);
  });
});

describe("a redirect", () => {
  test("is followed for blobs, and shows another host nothing", async () => {
    const seen: (string | undefined)[] = [];
    const store = await bench.serve((request, response) => {
      seen.push(request.headers.authorization);
      const blob = image.blobs.get(request.url?.slice(1) ?? "");
      response.writeHead(200, { "content-length": blob?.length ?? 0 }).end(blob);
    });
    bench.registry.intercept = (request, response) => {
      if (request.headers.authorization !== basic)
        response.writeHead(401, { "www-authenticate": "Basic" }).end();
      else if (!request.url?.includes("/blobs/")) return false;
      else response.writeHead(307, { location: `http://${store}/${request.url.split("/").at(-1)}` }).end();
      return true;
    };
    expect((await pull({ credentials: async () => password })).root.names()).toEqual(["a", "b"]);
    expect(seen).toEqual([undefined, undefined, undefined]);
  });

  test("to a host that asks who we are is not answered with the registry's credentials", async () => {
    const store = await bench.serve((_, response) =>
      response.writeHead(401, { "www-authenticate": "Basic" }).end(),
    );
    let asked = 0;
    bench.registry.intercept = (request, response) => {
      if (!request.url?.includes("/blobs/")) return false;
      response.writeHead(302, { location: `http://${store}/x` }).end();
      return true;
    };
    const credentials = async () => {
      asked += 1;
      return password;
    };
    expect(await failure(pull({ credentials }))).toMatchObject(saying("denied", new RegExp(`at ${store}`)));
    expect(asked).toBe(0);
  });

  test("that leads back shows what it showed before to nobody else", async () => {
    bench.registry.intercept = (request, response) => {
      if (!request.url?.includes("/manifests/t")) return false;
      response.writeHead(308, { location: `/v2/image/manifests/${image.manifest.digest}` }).end();
      return true;
    };
    expect((await pull()).root.names()).toEqual(["a", "b"]);
  });

  test.each([
    ["without end", () => "/v2/image/manifests/t", "unavailable", /redirects more than 5 times/],
    ["to plain http elsewhere", () => "http://store.example/x", "denied", /only https is/],
    ["to another protocol", () => "file:///etc/passwd", "denied", /is not asked/],
    ["to a place with a password", () => "https://a:b@store.example/x", "denied", /with a password in it/],
    ["to nowhere", () => "http://[", "unavailable", /what is no address/],
  ] as [string, () => string, string, RegExp][])("%s is refused", async (_, location, code, message) => {
    bench.registry.intercept = (__, response) => {
      response.writeHead(302, { location: location() }).end();
      return true;
    };
    expect(await failure(pull())).toMatchObject(saying(code, message));
  });
});

describe("plain http", () => {
  test("where https is spoken is told of, with the way out", async () => {
    const plain = await bench.serve((_, response) => response.end());
    bench.registry.intercept = (__, response) => {
      response.writeHead(302, { location: `https://${plain}/` }).end();
      return true;
    };
    expect(await failure(pull())).toMatchObject({
      code: "unavailable",
      message: `${plain} does not speak https`,
      hint: expect.stringContaining("--insecure-http"),
    });
  });

  test("is spoken with this machine only, unless the user says otherwise", async () => {
    // A proxy is where both kinds of request can be seen, and nothing else is asked.
    const seen: string[] = [];
    const proxy = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.writeHead(404).end();
    });
    proxy.on("connect", (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      socket.end("HTTP/1.1 502 no\r\n\r\n");
    });
    const url = `http://${await bench.listen(proxy)}`;
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: "" });
    try {
      await failure(pull({}, "registry.example/image:t"));
      expect(new Set(seen)).toEqual(new Set(["CONNECT registry.example:443"]));
      seen.length = 0;
      await failure(pull({ insecureHttp: true }, "registry.example:5000/image:t"));
      expect(seen).toEqual(["GET http://registry.example:5000/v2/image/manifests/t"]);
      // This machine's own registry is no business of a proxy's.
      seen.length = 0;
      expect((await pull()).root.names()).toEqual(["a", "b"]);
      expect(seen).toEqual([]);
    } finally {
      for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });
});
