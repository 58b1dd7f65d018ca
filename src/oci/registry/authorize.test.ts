import { describe, expect, test } from "bun:test";
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

/** The registry answers 401 with `challenge` to whoever does not show one of `wanted`. */
function demand(challenge: string | string[], wanted: () => string): void {
  bench.registry.intercept = (request, response) => {
    if (request.headers.authorization === wanted()) return false;
    response.writeHead(401, { "www-authenticate": challenge }).end();
    return true;
  };
}

describe("a registry that wants to know who asks", () => {
  test("is asked by nobody in particular first, and credentials are not looked for without need", async () => {
    let asked = 0;
    await pull({
      credentials: async () => {
        asked += 1;
        return password;
      },
    });
    expect(asked).toBe(0);
    expect(bench.registry.requests.some((line) => line.includes("Basic"))).toBe(false);
  });

  test("gets name and password for Basic", async () => {
    demand('Basic realm="x"', () => basic);
    expect((await pull({ credentials: async () => password })).root.names()).toEqual(["a", "b"]);
    expect(bench.registry.requests[0]).toBe("GET /v2/image/manifests/t");
    expect(bench.registry.requests.filter((line) => !line.includes(basic))).toHaveLength(1);
  });

  test("is told of when there are none, or they are refused", async () => {
    demand('Basic realm="x"', () => "never");
    expect(await failure(pull())).toMatchObject(saying("denied", /does not give image to you/));
    expect(await failure(pull({ credentials: async () => password }))).toMatchObject({
      code: "denied",
      hint: expect.stringContaining(`docker login ${bench.registry.host}`),
    });
    expect(bench.registry.requests.length).toBeLessThan(5);
  });

  test("sends to a token server, which gives a token to anybody, for this repository", async () => {
    const asked: string[] = [];
    const host = await bench.serve((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.end(JSON.stringify({ token: "t0ken", expires_in: 60 }));
    });
    demand(
      `Bearer realm="http://${host}/token?a=b",service="reg,istry",scope="repository:image:pull"`,
      () => "Bearer t0ken",
    );
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(asked).toEqual(["GET /token?a=b&service=reg%2Cistry&scope=repository%3Aimage%3Apull undefined"]);
  });

  test("sends to a token server, which gives one for name and password, and another when that has ended", async () => {
    let tokens = 0;
    const host = await bench.serve((request, response) => {
      if (request.headers.authorization !== basic) return void response.writeHead(401).end();
      tokens += 1;
      response.end(JSON.stringify({ access_token: `token${tokens}` }));
    });
    let blobs = 0;
    bench.registry.intercept = (request, response) => {
      if (request.url?.includes("/blobs/")) blobs += 1;
      if (request.headers.authorization === `Bearer token${blobs > 1 ? 2 : 1}`) return false;
      response.writeHead(401, { "www-authenticate": `bEARER Realm="http://${host}/"` }).end();
      return true;
    };
    expect((await pull({ credentials: async () => password })).root.names()).toEqual(["a", "b"]);
    expect(tokens).toBe(2);
  });

  test("gets a token for an identity token, by OAuth2", async () => {
    let form = "";
    const host = await bench.serve((request, response) => {
      request.on("data", (chunk: Buffer) => {
        form += chunk.toString();
      });
      request.on("end", () => response.end(JSON.stringify({ access_token: "t0ken" })));
    });
    demand(`Bearer realm="http://${host}/",service="s"`, () => "Bearer t0ken");
    await pull({ credentials: async () => ({ kind: "identity", token: "id+1" }) });
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      service: "s",
      scope: "repository:image:pull",
      grant_type: "refresh_token",
      client_id: "banger",
      refresh_token: "id+1",
    });
  });

  test.each([302, 307, 308])(
    "whose token server sends on elsewhere (%d) has an identity token shown there to nobody",
    async (status) => {
      const seen: string[] = [];
      const elsewhere = await bench.serve((request, response) => {
        request.on("data", (chunk: Buffer) => seen.push(chunk.toString()));
        request.on("end", () => response.end(JSON.stringify({ access_token: "t0ken" })));
      });
      const host = await bench.serve((_, response) =>
        response.writeHead(status, { location: `http://${elsewhere}/` }).end(),
      );
      demand(`Bearer realm="http://${host}/"`, () => "Bearer t0ken");
      const pulled = pull({ credentials: async () => ({ kind: "identity", token: "id+1" }) });
      expect(await failure(pulled)).toMatchObject(saying("denied", /sends on to .* what is for it alone/));
      expect(seen).toEqual([]);
    },
  );

  test("is asked with Bearer where it offers several ways, whatever else it says", async () => {
    const host = await bench.serve((_, response) => response.end(JSON.stringify({ token: "t0ken" })));
    const challenges = [
      `Negotiate`,
      `NTLM TlRMTVNTUAAB=`,
      `Basic realm="a \\"quoted\\" one, with a comma"`,
      `Bearer service="s" , realm="http://${host}/" , error="x"`,
    ];
    demand(challenges, () => "Bearer t0ken");
    expect((await pull()).root.names()).toEqual(["a", "b"]);
  });

  test.each([
    ["nothing", undefined],
    ["Negotiate", "Negotiate abc="],
    ["a Bearer without realm", 'Bearer service="s"'],
    ["what makes no sense", '=,;"\\'],
  ])("is told of when it asks by %s", async (_, challenge) => {
    bench.registry.intercept = (__, response) => {
      response.writeHead(401, challenge === undefined ? {} : { "www-authenticate": challenge }).end();
      return true;
    };
    expect(await failure(pull({ credentials: async () => password }))).toMatchObject({ code: "denied" });
    expect(bench.registry.requests).toHaveLength(1);
  });

  test("must name a token server that can be trusted, and that answers with a token", async () => {
    const realms = [
      "http://token.example/",
      "ftp://127.0.0.1/",
      "file:///etc/passwd",
      "nonsense",
      "http://10.0.0.1/",
    ];
    for (const realm of realms) {
      demand(`Bearer realm="${realm}"`, () => "never");
      expect(await failure(pull({ credentials: async () => password }))).toMatchObject(
        saying("denied", /a token of a server that is not asked/),
      );
    }
    const answers = [
      "{}",
      "nonsense",
      '{"token":"two\\r\\nlines: x"}',
      '{"token":7}',
      `{"token":"${"x".repeat(300_000)}"}`,
    ];
    for (const answer of answers) {
      const host = await bench.serve((_, response) => response.end(answer));
      demand(`Bearer realm="http://${host}/"`, () => "never");
      expect(await failure(pull())).toMatchObject({ code: "corrupt" });
    }
  });

  test("does not get another token for each that it refuses", async () => {
    let tokens = 0;
    const host = await bench.serve((_, response) => {
      tokens += 1;
      response.end(JSON.stringify({ token: `token${tokens}` }));
    });
    demand(`Bearer realm="http://${host}/"`, () => "never");
    expect(await failure(pull())).toMatchObject({ code: "denied" });
    expect(tokens).toBe(1);
  });
});
