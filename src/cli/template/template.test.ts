import { expect, test } from "bun:test";
import { FakeDaemon } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

const template = {
  ...{ key: "f2b65a09a67084e7e8f32ce73892c987", image: { id: "sha256:i", name: "debian-bookworm" } },
  ...{ vcpu: 2, memoryMiB: 512, sizeBytes: 126 * 1024 ** 2, waiting: true },
  ...{ createdAt: new Date(0).toISOString(), lastUsedAt: new Date(0).toISOString() },
};
const list = (coming: number, words: string[] = []) =>
  banger(["template", "list", ...words], {
    daemon: new FakeDaemon({ "template.list": () => ({ templates: [template], coming }) }),
  });

test("template list shows what each takes, whether a guest waits, and that more are to come", async () => {
  const { out, err } = await list(0);
  expect(out).toMatch(/^f2b65a09 {2}debian-bookworm {2}2 +512 MiB +126M .* 1$/m);
  expect(err).toBe("");
  expect((await list(1)).err).toBe("one more is made while nothing is started\n");
  expect((await list(2)).err).toBe("2 more are made while nothing is started\n");
  const { out: text, err: quiet } = await list(1, ["--json"]);
  expect([JSON.parse(text), quiet]).toEqual([[template], ""]);
});

test("template prune says what it freed, or that there was nothing", async () => {
  const prune = (removed: number, bytes: number) =>
    banger(["template", "prune"], {
      daemon: new FakeDaemon({ "template.prune": () => ({ removed, bytes }) }),
    });
  expect((await prune(2, 3 * 1024 ** 2)).err).toBe("2 templates removed: 3M\n");
  expect((await prune(0, 0)).err).toBe("nothing to prune: there is no template\n");
});
