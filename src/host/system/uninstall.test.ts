import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { install, restart, status, uninstall, unitNames } from "../host.ts";
import { build, FakeHost, manual } from "../testing/fake-host.ts";

let fake: FakeHost;
let clean: string[];
beforeEach(async () => {
  fake = new FakeHost();
  clean = fake.dump();
  await install(fake, { owner: "alice", executable: fake.executable, build, manual });
  fake.done.length = 0;
});
afterEach(() => fake.remove());

describe("an uninstall", () => {
  test("with --purge leaves the host as it was before the install", async () => {
    mkdirSync(join(fake.places.state, "images/sha256"), { recursive: true });
    expect(await uninstall(fake, { purge: true })).toEqual({ found: true, kept: [] });
    expect(fake.dump()).toEqual(clean);
  });

  test("keeps the owner's data otherwise, and a later install finds them", async () => {
    const { state, cache } = fake.places;
    expect(await uninstall(fake, { purge: false })).toEqual({ found: true, kept: [state, cache] });
    expect(fake.dump()).toEqual(
      [...clean, "var/cache/banger/", "var/lib/banger/", "var/lib/banger/banger.db: rows"].sort(),
    );
    await install(fake, { owner: "alice", executable: fake.executable, build, manual });
    expect(fake.dump()).toContain("var/lib/banger/banger.db: rows");
  });

  test("clears the kernel when the services have stopped and before their files go", async () => {
    await uninstall(fake, { purge: false });
    expect(fake.done).toEqual([
      `stop ${unitNames.daemon} ${unitNames.builderSocket} ${unitNames.helper}`,
      `disable ${unitNames.daemon} ${unitNames.builderSocket} ${unitNames.helper}`,
      "clear kernel",
      "reload",
      "forget",
    ]);
  });

  test("keeps what an administrator has written", async () => {
    const config = join(fake.places.installFile, "../config.toml");
    writeFileSync(config, 'bridge_name = "br-fc-2"');
    await uninstall(fake, { purge: true });
    expect(fake.dump()).toEqual(
      [...clean, "etc/banger/", 'etc/banger/config.toml: bridge_name = "br-fc-2"'].sort(),
    );
  });

  test("follows no link that the owner has put into their directories", async () => {
    const elsewhere = join(fake.root, "home/precious");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "file"), "");
    symlinkSync(elsewhere, join(fake.places.state, "images"));
    await uninstall(fake, { purge: true });
    expect(await Bun.file(join(elsewhere, "file")).exists()).toBe(true);
    expect(fake.dump()).toEqual(clean);
  });

  test("of nothing finds nothing, and is no failure", async () => {
    await uninstall(fake, { purge: true });
    expect(await uninstall(fake, { purge: true })).toEqual({ found: false, kept: [] });
    expect(fake.dump()).toEqual(clean);
  });

  test("that was cut off anywhere is finished by the next", async () => {
    for (const effect of ["stop", "disable", "clear", "reload", "forget"]) {
      fake.before = (now) => {
        if (now.startsWith(effect)) throw new Error(`no ${effect}`);
      };
      await expect(uninstall(fake, { purge: true })).rejects.toThrow(`no ${effect}`);
      fake.before = () => {};
      await uninstall(fake, { purge: true });
      expect(fake.dump()).toEqual(clean);
      await install(fake, { owner: "alice", executable: fake.executable, build, manual });
    }
  });

  test("removes an installation of which something is missing already", async () => {
    rmSync(fake.places.installFile);
    rmSync(fake.places.executable);
    await uninstall(fake, { purge: true });
    expect(fake.dump()).toEqual(clean);
  });
});

describe("an uninstall is refused, and does nothing,", () => {
  test("while VMs run", async () => {
    fake.vms = ["calm-otter", "mild-hare"];
    const before = fake.dump();
    const refused = uninstall(fake, { purge: true });
    await expect(refused).rejects.toMatchObject({
      message: "2 VMs run: calm-otter, mild-hare",
      hint: "stop them first: banger vm stop calm-otter mild-hare",
    });
    expect([fake.dump(), fake.done]).toEqual([before, []]);
  });

  test("while a machine runs of which no daemon can tell", async () => {
    fake.running.delete(unitNames.daemon);
    const group = join(fake.places.machines, "3f2a91c0-5b7e-4d21-9c3a-0123456789ab");
    mkdirSync(group, { recursive: true });
    writeFileSync(join(group, "cgroup.events"), "populated 1\nfrozen 0\n");
    await expect(uninstall(fake, { purge: false })).rejects.toThrow("a VM runs: 3f2a91c0");
    expect(fake.done).toEqual([]);
  });

  test("without root's rights, with the line that has them", async () => {
    fake.uid = 1000;
    await expect(uninstall(fake, { purge: false })).rejects.toMatchObject({
      code: "denied",
      hint: fake.asRoot,
    });
  });
});

describe("status and restart", () => {
  test("tell what is installed, what runs and what answers", async () => {
    const { install: installed, services, well } = await status(fake);
    expect(installed.owner).toBe("alice");
    expect(services.map(({ unit, active, answer }) => [unit, active, answer])).toEqual([
      [unitNames.helper, "active", { version: "1.0.0", commit: "0123abcd", pid: 4711 }],
      [unitNames.daemon, "active", { version: "1.0.0", commit: "0123abcd", pid: 4711 }],
    ]);
    expect(well).toBe(true);
  });

  test.each([unitNames.daemon, unitNames.builderSocket])("say when %s is down", async (unit) => {
    fake.running.delete(unit);
    expect((await status(fake)).well).toBe(false);
  });

  test("restart starts all, and waits for both services", async () => {
    fake.running.clear();
    expect((await restart(fake)).well).toBe(true);
    expect(fake.done).toEqual([
      "forget",
      `restart ${unitNames.helper} ${unitNames.builderSocket} ${unitNames.daemon}`,
    ]);
  });

  test("are errors where nothing is installed", async () => {
    await uninstall(fake, { purge: true });
    await expect(status(fake)).rejects.toMatchObject({ code: "not_found" });
    await expect(restart(fake)).rejects.toMatchObject({ code: "not_found" });
  });
});
