import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readInstall } from "../../config/install.ts";
import { install, uninstall, unitNames } from "../host.ts";
import { build, FakeHost, manual } from "../testing/fake-host.ts";

let fake: FakeHost;
beforeEach(() => {
  fake = new FakeHost();
});
afterEach(() => fake.remove());

const run = (change: Partial<Parameters<typeof install>[1]> = {}) =>
  install(fake, { owner: "alice", executable: fake.executable, build, manual, ...change });

/** Every effect that an install has, by its number: at each of them something can go wrong. */
async function effectsOf(what: () => Promise<unknown>): Promise<string[]> {
  fake.done.length = 0;
  await what();
  return [...fake.done];
}

describe("an install", () => {
  test("puts the executable, its names, units and directories, and starts both services", async () => {
    await run();
    expect(fake.dump()).toMatchInlineSnapshot(`
      [
        "enabled: bangerd-build.socket",
        "enabled: bangerd-root.service",
        "enabled: bangerd.service",
        "etc/",
        "etc/banger/",
        "etc/banger/install.toml: # Written by banger system install: do not edit.",
        "etc/systemd/",
        "etc/systemd/system/",
        "etc/systemd/system/bangerd-build.socket: # Written by banger system install: changes belong into a drop-in (systemctl edit bangerd-build.socket).",
        "etc/systemd/system/bangerd-build@.service: # Written by banger system install: changes belong into a drop-in (systemctl edit bangerd-build@).",
        "etc/systemd/system/bangerd-root.service: # Written by banger system install: changes belong into a drop-in (systemctl edit bangerd-root).",
        "etc/systemd/system/bangerd.service: # Written by banger system install: changes belong into a drop-in (systemctl edit bangerd).",
        "run/",
        "run/banger-root/",
        "run/banger/",
        "run/systemd/",
        "run/systemd/system/",
        "running: bangerd-build.socket",
        "running: bangerd-root.service",
        "running: bangerd.service",
        "usr/",
        "usr/local/",
        "usr/local/bin/",
        "usr/local/bin/banger ->",
        "usr/local/lib/",
        "usr/local/lib/banger/",
        "usr/local/lib/banger/bangerd ->",
        "usr/local/lib/banger/bangerd-build ->",
        "usr/local/lib/banger/bangerd-root ->",
        "usr/local/lib/banger/tmp/",
        "usr/local/lib/banger/versions/",
        "usr/local/lib/banger/versions/1.0.0-0123abcd/",
        "usr/local/lib/banger/versions/1.0.0-0123abcd/banger: first build",
        "usr/local/share/",
        "usr/local/share/man/",
        "usr/local/share/man/man1/",
        "usr/local/share/man/man1/banger.1: .TH BANGER 1",
        "var/",
        "var/cache/",
        "var/cache/banger/",
        "var/lib/",
        "var/lib/banger-jail/",
        "var/lib/banger/",
        "var/lib/banger/banger.db: rows",
      ]
    `);
    expect(fake.done).toEqual(["reload", `enable ${both}`, `restart ${both}`]);
    expect(readInstall(fake.places.installFile)).toMatchObject({
      owner: "alice",
      home: "/home/alice",
      version: build.version,
      commit: build.commit,
      built_at: build.builtAt,
      installed_at: "2026-03-04T12:00:00.000Z",
    });
  });

  test("gives everybody the rights they need, and no more", async () => {
    await run();
    const mode = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);
    const { places } = fake;
    const files = [realpathSync(places.executable), places.units.daemon, places.installFile];
    expect(files.map(mode)).toEqual(["755", "644", "644"]);
    expect([places.state, places.cache, places.jail, places.library].map(mode)).toEqual([
      "700",
      "700",
      "711",
      "755",
    ]);
    const uids = [places.state, places.cache, places.jail].map((path) => lstatSync(path).uid);
    const owner = readInstall(places.installFile)?.uid ?? -1;
    expect(uids).toEqual([owner, owner, process.getuid?.() ?? -1]);
    for (const link of places.links) expect(join(link, "..", readlinkSync(link))).toBe(places.executable);
  });

  test("makes the daemon's units the owner's", async () => {
    await run();
    const { daemon, builder, builderSocket } = fake.places.units;
    for (const [path, line] of [
      [daemon, "User=alice"],
      [builder, "User=alice"],
      [builderSocket, "SocketUser=alice"],
    ] as const) {
      const unit = readFileSync(path, "utf8");
      expect(unit).toContain(`\n${line}\n`);
      expect(unit).not.toContain("@OWNER@");
    }
  });

  test("over an older one replaces what is there, and keeps data and services", async () => {
    await run();
    writeFileSync(join(fake.places.state, "vm"), "a disk");
    const before = fake.dump();
    fake.newExecutable("second build");
    await run();
    expect(fake.dump()).toEqual(before.map((line) => line.replace("first build", "second build")));
  });
});

const both = `${unitNames.helper} ${unitNames.builderSocket} ${unitNames.daemon}`;

describe("an install is refused, and touches nothing,", () => {
  const cases: [string, () => unknown, RegExp][] = [
    ["without root's rights", () => (fake.uid = 1000), /needs root/],
    [
      "where systemd does not run",
      () => rmSync(fake.places.systemdRuns, { recursive: true }),
      /systemd does not run here/,
    ],
    [
      "where the state is somebody else's",
      () => {
        fake.users.alice = "alice:x:77:77:Alice:/home/alice:/bin/bash";
        mkdirSync(fake.places.state);
      },
      /belongs to user/,
    ],
    [
      "where the state is a link",
      () => {
        symlinkSync("/etc", fake.places.state);
      },
      /is not a directory/,
    ],
  ];
  test.each(cases)("%s", async (_what, arrange, message) => {
    arrange();
    const before = fake.dump();
    await expect(run()).rejects.toThrow(message);
    expect(fake.dump()).toEqual(before);
  });

  test.each([
    ["root", /is root/],
    ["toor", /is root/],
    ["carol", /there is no user carol/],
    ["homeless", /is odd/],
    ["0", /is not a user's name/],
    ["alice\nUser=root", /is not a user's name/],
    ["%i", /is not a user's name/],
    ["--help", /is not a user's name/],
  ])("for %p as owner", async (owner, message) => {
    const before = fake.dump();
    await expect(run({ owner })).rejects.toThrow(message);
    expect(fake.dump()).toEqual(before);
  });

  test("for another owner than the one it is installed for", async () => {
    await run();
    fake.users.bob = "bob:x:77:77:Bob:/home/bob:/bin/bash";
    const before = fake.dump();
    await expect(run({ owner: "bob" })).rejects.toThrow("installed for alice already");
    expect(fake.dump()).toEqual(before);
  });

  test("while another one is under way", async () => {
    let second: Promise<unknown> = Promise.resolve();
    fake.before = () => {
      fake.before = () => {};
      second = run();
      second.catch(() => {});
    };
    await run();
    await expect(second).rejects.toThrow("under way");
  });
});

describe("an install that fails", () => {
  const failAt = (effect: string) => {
    fake.before = (now) => {
      if (now === effect) {
        fake.before = () => {};
        throw new Error(`no ${effect}`);
      }
    };
  };

  test.each(["reload", `enable ${both}`, `restart ${both}`])(
    "at %p leaves the host as it was",
    async (effect) => {
      const before = fake.dump();
      failAt(effect);
      await expect(run()).rejects.toThrow(`no ${effect}`);
      expect(fake.dump()).toEqual(before);
      await run();
      await uninstall(fake, { purge: true });
      expect(fake.dump()).toEqual(before);
    },
  );

  test.each(["reload", `enable ${both}`, `restart ${both}`])(
    "at %p over an older one leaves the older one, running",
    async (effect) => {
      await run();
      const before = fake.dump();
      fake.newExecutable("second build");
      failAt(effect);
      await expect(run()).rejects.toThrow(`no ${effect}`);
      expect(fake.dump()).toEqual(before);
      expect(fake.done.at(-1)).toBe(`restart ${both}`);
    },
  );

  test("because the executable cannot be read leaves the host as it was", async () => {
    const before = fake.dump();
    await expect(run({ executable: join(fake.root, "home/nothing") })).rejects.toThrow("ENOENT");
    expect(fake.dump()).toEqual(before);
  });

  test("because a service does not stay is told with its last words, and taken back", async () => {
    const before = fake.dump();
    fake.answer = undefined;
    fake.restartsPerLook = 1;
    await expect(run()).rejects.toThrow("bangerd-root does not start: the cat sat on the socket");
    expect(fake.dump()).toEqual(before);
  });

  test("because it was interrupted is taken back", async () => {
    const before = fake.dump();
    const controller = new AbortController();
    fake.answer = undefined;
    fake.before = (effect) => void (effect.startsWith("restart") && controller.abort());
    await expect(run({ signal: controller.signal })).rejects.toThrow();
    expect(fake.dump()).toEqual(before);
  });

  test("by the death of its process is finished by the next, and removed by an uninstall", async () => {
    const clean = fake.dump();
    const effects = await effectsOf(run);
    await uninstall(fake, { purge: true });
    for (const effect of effects) {
      for (const after of ["install", "uninstall"]) {
        const { promise: never } = Promise.withResolvers<void>();
        const reached = Promise.withResolvers<void>();
        // A process that was killed does nothing more: this one never comes back from here.
        const dead = { ...methodsOf(fake), lookUpUser: fake.lookUpUser };
        const stuck = async () => {
          reached.resolve();
          await never;
        };
        const verb = effect.split(" ")[0] as "reload" | "enable" | "restart";
        void install(
          {
            ...dead,
            places: { ...fake.places, lock: `${fake.places.lock}.${verb}` },
            systemd: { ...methodsOf(fake), [verb]: stuck },
          },
          { owner: "alice", executable: fake.executable, build, manual },
        );
        await reached.promise;
        if (after === "install") await run();
        await uninstall(fake, { purge: true });
        rmSync(`${fake.places.lock}.${verb}`);
        expect(fake.dump()).toEqual(clean);
      }
    }
  });
});

/** The fake's methods as a plain object, to be changed one by one. */
function methodsOf(host: FakeHost): FakeHost {
  return Object.assign(Object.create(host), host) as FakeHost;
}
