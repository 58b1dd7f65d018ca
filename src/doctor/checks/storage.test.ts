import { describe, expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import { directory, healthy, judged, systemPlace, userPlace, verdict } from "../testing/healthy.ts";

const { storage, images } = healthy;
const own = "/home/alice/.local/state/banger";
const state = (change: Parameters<typeof directory>[1]) => ({
  storage: { ...storage, state: directory(own, change) },
});
const on = (change: Partial<(typeof storage.state)["fileSystem"]>) =>
  state({ fileSystem: { ...storage.state.fileSystem, ...change } });
const MiB = 1024 ** 2;

describe("the state directory", () => {
  test("that is not there yet is made when it is needed, if it can be", () => {
    const later = { there: "/home/alice", exists: false };
    expect(verdict("state", state(later))).toMatchObject({
      state: "pass",
      summary: `${own}, when it is needed`,
    });
    expect(verdict("state", state({ ...later, refused: "EACCES" }))).toMatchObject({
      state: "fail",
      summary: "you may not write to /home/alice (EACCES)",
    });
  });

  test("on a read-only file system, or another user's, is no use; then nobody looks for images in it", () => {
    const readOnly = on({ mountPoint: "/home" });
    readOnly.storage.state.refused = "EROFS";
    expect(verdict("state", readOnly)).toMatchObject({
      state: "fail",
      summary: `the file system of ${own} is read-only`,
      remedy: ["sudo mount -o remount,rw /home", expect.stringContaining("XDG_STATE_HOME")],
    });
    expect(verdict("image", readOnly).state).toBe("skip");
    expect(verdict("state", state({ uid: 0 })).remedy[0]).toBe(`sudo chown -R alice ${own}`);
    expect(verdict("state", state({ isDirectory: false })).state).toBe("fail");
  });

  test("of another user is not made root's, whom sudo has left that user's HOME", () => {
    const root = { ...userPlace, uid: 0, user: "root" };
    const found = judged(state({ uid: 1000 }), root).find(({ id }) => id === "state");
    expect(found?.state).toBe("fail");
    expect(found?.fixes).toEqual([]);
    expect(found?.remedy.join()).not.toContain("chown");
  });

  test("that others may look into is shut to them", () => {
    expect(verdict("state", state({ mode: 0o755 }))).toMatchObject({
      state: "warn",
      summary: `others may look into ${own}: its mode is 755`,
      remedy: [`chmod go-rwx ${own}`],
    });
  });

  test("in memory, or with a damaged database, works, but not for long", () => {
    expect(verdict("state", on({ type: "tmpfs" }))).toMatchObject({
      state: "warn",
      summary: `${own} is in memory: VMs are gone after a reboot`,
    });
    expect(verdict("state", { storage: { ...storage, database: "damaged" } }).state).toBe("warn");
    expect(verdict("state", { storage: { ...storage, database: "unreadable" } }).state).toBe("fail");
  });
});

describe("disk space", () => {
  const unbuilt = { images: { ...images, image: { stored: undefined, inCatalog: true } } };

  test.each([
    ["enough for a VM", 2048 * MiB, {}, "pass"],
    ["enough for a VM, but not for an image", 2048 * MiB, unbuilt, "warn"],
    ["little", 512 * MiB, {}, "warn"],
    ["none", 10 * MiB, {}, "fail"],
  ] as const)("%s", (_what, freeBytes, change, expected) => {
    expect(verdict("disk-space", { ...on({ freeBytes }), ...change }).state).toBe(expected);
  });

  test("is no use without inodes, where a file system counts them", () => {
    expect(verdict("disk-space", on({ freeInodes: 3 })).summary).toBe("/ has room for 3 more files only");
    expect(verdict("disk-space", on({ totalInodes: 0, freeInodes: 0 })).state).toBe("pass");
  });
});

describe("directories for a session", () => {
  test("the runtime directory must be this user's own, writable, and of a short name", () => {
    const runtime = (path: string, change: Parameters<typeof directory>[1] = {}) => ({
      storage: { ...storage, runtime: directory(path, change) },
    });
    const foreign = verdict("runtime", runtime("/run/user/1000/banger", { uid: 1001 }));
    expect(foreign).toMatchObject({
      state: "fail",
      summary: "/run/user/1000/banger is not a directory of yours",
    });
    expect(foreign.remedy[0]).toStartWith("unset XDG_RUNTIME_DIR");
    expect(verdict("runtime", runtime("/run/user/1000/banger", { refused: "EACCES" })).state).toBe("fail");
    expect(verdict("runtime", runtime(`/run/${"long".repeat(20)}`)).summary).toEndWith(
      "is too long a path for sockets",
    );
    const nowhere = { exists: false, there: "/run/user", refused: "EACCES" };
    expect(verdict("runtime", runtime("/run/user/1000/banger", nowhere)).summary).toBe(
      "XDG_RUNTIME_DIR=/run/user/1000 is not there",
    );
    const gone = runtime("/run/banger", { exists: false, there: "/run" });
    expect(verdict("runtime", gone, systemPlace).remedy).toEqual(["sudo banger system restart"]);
  });

  test("the temporary directory must let programs be loaded from it", () => {
    const temporary = directory("/tmp");
    temporary.fileSystem = { ...temporary.fileSystem, options: ["rw", "noexec"] };
    expect(verdict("temporary", { storage: { ...storage, temporary } })).toMatchObject({
      state: "fail",
      remedy: ["export TMPDIR=$HOME/.cache", "banger daemon stop"],
    });
  });

  test("the environment must say which directories are meant", () => {
    const problem = new BangerError("bad_config", 'XDG_STATE_HOME="x" is not an absolute path', {
      hint: "unset it",
    });
    expect(verdict("environment", {}, { ...userPlace, problem })).toEqual({
      state: "fail",
      summary: 'XDG_STATE_HOME="x" is not an absolute path',
      remedy: ["unset it"],
    });
  });
});

describe("root disks", () => {
  const silent = { daemon: { answer: undefined, socketThere: false, startError: undefined } };

  test("are what the daemon makes them, or what the file system promises", () => {
    expect(verdict("root-disks").summary).toBe("qcow2 layers: ext4 has no reflinks, and needs none");
    expect(verdict("root-disks", { ...silent, ...on({ type: "btrfs" }) }).summary).toBe(
      "reflinks, if btrfs has them here; else qcow2 layers",
    );
  });
});
