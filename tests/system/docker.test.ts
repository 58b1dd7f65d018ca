/**
 * Docker inside a guest of a jailed Firecracker. Here an emulator emulates a processor that runs a guest that runs containers:
 * one container is all that there is time for. What else is in the image is tested under QEMU (tests/e2e/debian.test.ts).
 */
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerArchive } from "../../src/oci/testing/image-builder.ts";
import { sayConfig, sayLayer } from "../e2e/say.ts";
import { host } from "./host.ts";

const machine = await host();
const slow = { timeoutMs: 1_000_000 } as const;

beforeAll(async () => {
  await machine.giveStore();
  const dir = mkdtempSync(join(tmpdir(), "banger-docker-"));
  try {
    const config = { ...sayConfig, Entrypoint: ["/app/say"] };
    writeFileSync(join(dir, "say.tar"), dockerArchive("say:t", sayLayer(dir), config));
    await machine.copyIn(join(dir, "say.tar"), "/home/dev/say.tar");
  } finally {
    rmSync(dir, { recursive: true });
  }
  await machine.ok("sudo ./banger system install --owner dev", slow);
}, 600_000);

test("a container of an image from a tar runs, with a network, and gives its status", async () => {
  await machine.ok("banger vm create --name d --memory 1G --vcpu 1", slow);
  expect(await machine.ok("banger vm exec d -- docker load < say.tar", slow)).toBe("Loaded image: say:t\n");
  const { status, stdout } = await machine.run(
    "banger vm exec d -- docker run --rm say:t 42 /proc/net/route",
    slow,
  );
  expect([status, stdout]).toEqual([42, expect.stringMatching(/^hello there \/app 42\n/)]);
  expect(stdout).toMatch(/^eth0\t00000000\t010011AC\t/m);
  await machine.ok("banger vm delete d", slow);
}, 1_150_000);
