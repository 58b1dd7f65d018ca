/** The builder at the end of a connection, as systemd starts it for each: asked by name, and gone with its caller. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelId } from "../../src/base/ids.ts";
import { version } from "../../src/base/version.ts";
import { imageBuilderAt } from "../../src/daemon/system/image-builder.ts";
import { type BuilderClient, connectBuilder } from "../../src/rpc/rpc.ts";
import { identify, waitForExit } from "../../src/sys/sys.ts";

const directory = mkdtempSync(join(tmpdir(), "banger-builder-"));
const socket = join(directory, "builder.sock");
const main = join(import.meta.dir, "../../src/builder/main.ts");
let listener: ChildProcess;

beforeAll(async () => {
  const program = [process.execPath, "-e", `(await import(${JSON.stringify(main)})).main()`];
  listener = spawn("systemd-socket-activate", ["--accept", "--inetd", `--listen=${socket}`, ...program], {
    stdio: "ignore",
  });
  while (!existsSync(socket)) await Bun.sleep(10);
});
afterAll(() => {
  listener.kill();
  rmSync(directory, { recursive: true });
});

const kernel = KernelId.parse(`sha256:${"0".repeat(64)}`);
const request = { name: "debian-bookworm", kernel, archive: "http://127.0.0.1:9/debian", security: null };

async function connected<T>(work: (client: BuilderClient) => Promise<T>): Promise<T> {
  const client = await connectBuilder(socket);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

test("each connection has a builder of its own, which ends with it", async () => {
  const [one, two] = await Promise.all([connectBuilder(socket), connectBuilder(socket)]);
  const [first, second] = await Promise.all([one.call("ping", {}), two.call("ping", {})]);
  expect(first.version).toBe(version);
  expect(first.pid).not.toBe(second.pid);
  const process = identify(first.pid);
  one.close();
  if (process !== undefined) await waitForExit(process, AbortSignal.timeout(10_000));
  expect((await two.call("ping", {})).pid).toBe(second.pid);
  two.close();
});

test.each([
  ["an image that no catalog has", { name: "../../etc" }, "not_found"],
  ["a kernel that is not in the store", {}, "not_found"],
  ["a mirror that is no web address", { archive: "file:///etc" }, "bad_request"],
  ["a mirror that is more than one word", { archive: "http://a/ [trusted=yes]" }, "bad_request"],
  ["a path among the names", { out: "/etc" }, "bad_request"],
])("%s is refused", async (_what, change, code) => {
  const asked = connected((client) => client.call("image.build", { ...request, ...change }));
  await expect(asked).rejects.toMatchObject({ code });
});

test("a connection is for one build", async () => {
  await connected(async (client) => {
    await client.call("image.build", request).catch(() => {});
    await expect(client.call("image.build", request)).rejects.toMatchObject({ code: "precondition" });
  });
});

test("the daemon says how builds come back when nobody listens", async () => {
  const nothing = imageBuilderAt(join(directory, "nobody.sock"));
  const recipe = { name: "debian-bookworm" } as Parameters<typeof nothing>[0];
  const asked = nothing(recipe, join(directory, "images"), {
    mirror: { archive: request.archive, security: undefined, keyring: "" },
    kernel: { id: kernel, name: "", modules: "" },
    tools: [],
    signal: AbortSignal.timeout(10_000),
    progress: () => {},
  });
  await expect(asked).rejects.toMatchObject({ code: "unavailable", hint: "sudo banger system restart" });
});
