/** The services of a host below a directory of the test's own. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { lstatSync, readFileSync, rmSync } from "node:fs";
import { readInstall } from "../config/config.ts";
import { install } from "../host/host.ts";
import { build, FakeHost, manual } from "../host/testing/fake-host.ts";
import { systemServices } from "./system-services.ts";

let fake: FakeHost;
beforeEach(async () => {
  fake = new FakeHost();
  await install(fake, { owner: "alice", executable: fake.executable, build, manual });
  fake.done.length = 0;
});
afterEach(() => fake.remove());

const later = { version: "1.1.0", commit: "89abcdef", builtAt: "2026-04-01T00:00:00Z" };
const services = () => systemServices(fake, async () => []);

test("install.toml says which build it is now, keeps the rest, and is for all to read", async () => {
  const before = readInstall(fake.places.installFile);
  const umask = process.umask(0o077);
  await services().adopt(later);
  process.umask(umask);
  expect(readInstall(fake.places.installFile)).toEqual({
    ...(before ?? expect.unreachable()),
    ...{ version: "1.1.0", commit: "89abcdef", built_at: later.builtAt },
  });
  expect(lstatSync(fake.places.installFile).mode & 0o777).toBe(0o644);
});

test("both services are restarted, and waited for until they are of the new build", async () => {
  fake.answer = { version: later.version, commit: later.commit, pid: 1 };
  await services().bringUp("", later, new AbortController().signal);
  expect(fake.done).toEqual(["forget", "restart bangerd-root.service bangerd-build.socket bangerd.service"]);
});

test("one that ends again and again is given up, with what it has said", async () => {
  fake.restartsPerLook = 1;
  const up = services().bringUp("", later, new AbortController().signal);
  await expect(up).rejects.toThrow("bangerd-root does not start: the cat sat on the socket");
});

test("while another command changes the installation there is none", async () => {
  const { exclusively } = services();
  await exclusively(async () => {
    await expect(exclusively(async () => {})).rejects.toThrow("another banger system command is under way");
  });
});

test("without an installation there is nothing to write into", async () => {
  rmSync(fake.places.installFile);
  await expect(services().adopt(later)).rejects.toMatchObject({ code: "not_found" });
  expect(() => readFileSync(fake.places.installFile)).toThrow();
});
