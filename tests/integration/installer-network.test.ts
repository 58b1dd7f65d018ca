/** scripts/install.sh where networks break, servers hang, disks are full and people lose patience. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  type Bed,
  nothing,
  nothingOf,
  openBed,
  type Person,
  pathWithout,
  standIn,
} from "./installer-fixture.ts";

let bed: Bed;
let noCurl: string;
const tarball = "/1.3.0/banger-1.3.0-linux-amd64.tar.gz";
const noise = `${standIn("1.3.0")}# ${randomBytes(300_000).toString("base64")}\n`;
beforeAll(async () => {
  bed = await openBed();
  bed.release("1.3.0", { program: noise });
  noCurl = pathWithout(bed.dir, "curl");
});
afterEach(() => {
  bed.site.intercept = () => false;
  bed.site.requests.length = 0;
});
afterAll(() => bed.end());

/** Of requests for this path, how each is answered instead; false: as the site does. */
function answer(
  path: string,
  how: (nth: number, response: ServerResponse, range: string | undefined) => boolean,
): void {
  let nth = 0;
  bed.site.intercept = ({ url, headers }: IncomingMessage, response) =>
    url === path && how(nth++, response, headers.range);
}

const both: [string, () => Record<string, string>][] = [
  ["curl", () => ({})],
  ["wget", () => ({ PATH: noCurl })],
];

describe.each(both)("with %s", (_name, env) => {
  const install = (person: Person, ...args: string[]) =>
    person.install(["--user", "--yes", ...args], { env: env() });

  test("a download that breaks off goes on from there", async () => {
    const whole = readFileSync(join(bed.site.dir, tarball));
    answer(tarball, (nth, response) => {
      if (nth > 0) return false;
      response.writeHead(200, { "content-length": whole.length });
      response.write(whole.subarray(0, 100_000), () => response.destroy());
      return true;
    });
    const person = bed.person();
    const { status, err } = await install(person);
    expect({ status, answer: person.answer() }, err).toEqual({ status: 0, answer: "v1.3.0" });
    expect(err).toContain("  it broke off after 100000 bytes");
    expect(bed.site.requests.at(-1)).toBe(`GET ${tarball} bytes=100000-`);
  });

  test("a server that is busy is asked again; one that says no is not", async () => {
    answer(
      "/manifest.json",
      (nth, response) => nth < 2 && response.writeHead(nth === 0 ? 503 : 429).end() !== undefined,
    );
    expect((await install(bed.person())).status).toBe(0);
    bed.site.requests.length = 0;
    answer(tarball, (_nth, response) => response.writeHead(403).end() !== undefined);
    const person = bed.person();
    const { status, err } = await install(person);
    expect({ status, ...nothingOf(person) }).toEqual({ status: 1, ...nothing });
    expect(err).toMatch(/the tarball of v1\.3\.0 is not to be had: http.*\n {2}hint: the server says: .*403/);
    expect(bed.site.requests.filter((line) => line.includes("tar.gz"))).toHaveLength(1);
  });

  test("what does not end, or is too large, is given up at its limit", async () => {
    const limits = { "/manifest.json": 1024, "/1.3.0/SHA256SUMS": 16, "/1.3.0/SHA256SUMS.sig": 1 };
    for (const [path, kib] of Object.entries(limits)) {
      answer(path, (_nth, response) => {
        response.writeHead(200);
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
        };
        response.on("drain", more);
        more();
        return true;
      });
      const person = bed.person();
      const { status, err } = await install(person);
      expect({ status, ...nothingOf(person) }).toEqual({ status: 1, ...nothing });
      expect(err).toContain(`is larger than ${kib} KiB, the most it may be`);
    }
  });

  test("a server that sends nothing, or a byte now and then, is given up", async () => {
    answer("/manifest.json", (nth, response) => {
      response.writeHead(200, { "content-length": 5000 });
      response.write(" ");
      const drip = setInterval(() => nth % 2 === 1 && response.write(" "), 100);
      response.on("close", () => clearInterval(drip));
      return true;
    });
    const person = bed.person();
    const { status, err } = await install(person, "--timeout", "1");
    expect({ status, ...nothingOf(person) }).toEqual({ status: 1, ...nothing });
    expect(err).toContain("the list of releases cannot be downloaded");
    expect(err).toContain("hint: less than 4 KiB a second for 1 s; is the network, or its proxy, in order?");
    expect(bed.site.requests).toHaveLength(4);
  });

  test("no server at all is said, with the reason", async () => {
    const person = bed.person();
    const { status, err } = await install(person, "--base-url", "http://127.0.0.1:1/x");
    expect({ status, ...nothingOf(person) }).toEqual({ status: 1, ...nothing });
    expect(err).toMatch(
      /cannot be downloaded: http:\/\/127\.0\.0\.1:1\/x\/manifest\.json\n {2}hint: .*([Cc]onnect|refused)/,
    );
  });

  test("the environment's proxy is asked", async () => {
    const asked: string[] = [];
    const proxy = createServer(({ url = "" }, response) => {
      asked.push(url);
      request(`${bed.site.url}${new URL(url).pathname}`, (from) => {
        response.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(response);
      }).end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const person = bed.person();
    const { err } = await person.install(
      ["--prefix", join(person.home, ".local"), "--yes", "--base-url", "http://localhost:1"],
      {
        env: { ...env(), http_proxy: address, no_proxy: "127.0.0.1" },
      },
    );
    proxy.close();
    expect(asked[0], err).toBe("http://localhost:1/manifest.json");
  });
});

test("a redirect to plain http elsewhere is not followed", async () => {
  answer(
    "/manifest.json",
    (_nth, response) => response.writeHead(302, { location: `${bed.site.url}/other` }).end() !== undefined,
  );
  const { status, err } = await bed.person().install(["--user", "--yes"]);
  expect([status, err]).toEqual([1, expect.stringContaining("cannot be downloaded")]);
  expect(bed.site.requests).not.toContain("GET /other");
});

describe("by https", () => {
  let server: Server;
  let url: string;
  let authority: string;
  beforeAll(async () => {
    authority = join(bed.dir, "tls.crt");
    const made = [
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-keyout",
      join(bed.dir, "tls.key"),
      "-out",
      authority,
    ];
    const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    execFileSync("openssl", ["req", "-x509", ...made, ...named], { stdio: "ignore" });
    const identity = { key: readFileSync(join(bed.dir, "tls.key")), cert: readFileSync(authority) };
    server = createSecureServer(identity, ({ url: path = "" }, response) => {
      const content = readFileSync(join(bed.site.dir, path.replace("/mixed", "")));
      // Whole addresses lead here, too; but for those of a list that leads elsewhere.
      const moved = path === "/manifest.json" ? `${content}`.replaceAll(bed.site.url, url) : content;
      response.end(moved);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://localhost:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test("a server that shows who it is is taken, and any other is not", async () => {
    const install = (person: Person, base: string, env: Record<string, string>) =>
      person.install(["--user", "--yes", "--base-url", base], { env });
    const person = bed.person();
    for (const env of [{}, { PATH: noCurl }]) {
      const { status, err } = await install(person, url, env);
      expect([status, err]).toEqual([
        1,
        expect.stringMatching(
          /list of releases is not to be had.*\n.*does not prove who it is: .*certificate/i,
        ),
      ]);
    }
    const trusting = { CURL_CA_BUNDLE: authority };
    const other = await install(person, url.replace("localhost", "127.0.0.1"), trusting);
    expect(other).toMatchObject({ status: 1, err: expect.stringMatching(/does not prove who it is: .*SSL/) });
    const mixed = await install(person, `${url}/mixed`, trusting);
    expect(mixed).toMatchObject({
      status: 1,
      err: expect.stringContaining("leads to no https:// URL: http://127.0.0.1"),
    });
    expect(nothingOf(person)).toEqual(nothing);
    expect(await install(person, url, trusting)).toMatchObject({ status: 0 });
    expect(person.answer()).toBe("v1.3.0");
  });
});

describe("ended while it downloads", () => {
  /** Until the tarball is asked for, which does not come. */
  async function hangs(person: Person) {
    const closed = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    answer(tarball, (_nth, response) => {
      response.writeHead(200, { "content-length": 1_000_000 }).write("x");
      response.on("close", () => closed.resolve());
      asked.resolve();
      return true;
    });
    const child = person.start(["--user", "--yes"]);
    await asked.promise;
    return { child, closed: closed.promise };
  }

  test("by a signal, it ends curl, and leaves nothing", async () => {
    for (const [signal, status] of [
      ["INT", 130],
      ["TERM", 143],
      ["HUP", 129],
    ] as const) {
      const person = bed.person();
      const { child, closed } = await hangs(person);
      child.kill(`SIG${signal}`);
      await closed;
      expect([await child.exited, nothingOf(person)]).toEqual([status, nothing]);
    }
  });

  test("by kill -9, the next run removes what is left, once nobody can be using it", async () => {
    const person = bed.person();
    const { child, closed } = await hangs(person);
    const curl = Number(`${Bun.spawnSync(["pgrep", "-P", `${child.pid}`, "-x", "curl"]).stdout}`);
    expect(curl).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await child.exited;
    const bin = join(person.home, ".local/lib/banger");
    const left = () => readdirSync(bin).filter((name) => name.startsWith("."));
    const [name = ""] = left();
    expect(name).toStartWith(".banger-install.");
    // Long ago.
    utimesSync(join(bin, name), 0, 0);
    bed.site.intercept = () => false;
    expect((await person.install(["--user", "--yes"])).status).toBe(0);
    // Its curl lives, and writes there.
    expect(left()).toEqual([name]);
    process.kill(curl);
    await closed;
    expect((await person.install(["--user", "--yes"])).status).toBe(0);
    expect([left(), person.answer()]).toEqual([[], "v1.3.0"]);
  });
});

test("cut off after any line, or anywhere, the script does nothing", () => {
  const bytes = Buffer.from(bed.script);
  const cuts = new Set<number>([bytes.length - 1, bytes.length - 2, bytes.length - 3, bytes.length - 8]);
  for (let at = bytes.indexOf("\n"); at >= 0; at = bytes.indexOf("\n", at + 1)) cuts.add(at).add(at + 1);
  for (let n = 0; n < 300; n += 1) cuts.add(Math.floor(Math.random() * bytes.length));
  cuts.delete(bytes.length);
  cuts.delete(bytes.lastIndexOf("\n"));
  const person = bed.person();
  const dir = join(bed.dir, "cuts");
  mkdirSync(dir);
  // With a PATH of nothing: a program that it were to start could not be, and bash would say so.
  for (const cut of cuts) {
    const { stdout, stderr } = Bun.spawnSync(["/bin/bash", "-s", "--", "--user", "--yes"], {
      ...{ cwd: dir, env: { ...person.env, PATH: "/none" }, stdin: bytes.subarray(0, cut) },
    });
    expect(`${stdout}`, `cut at ${cut}`).toBe("");
    expect(`${stderr}`, `cut at ${cut}`).not.toMatch(
      /^install\.sh:|: command not found$|: No such file or directory$/m,
    );
  }
  expect([nothingOf(person), readdirSync(dir), bed.site.requests]).toEqual([nothing, [], []]);
});
