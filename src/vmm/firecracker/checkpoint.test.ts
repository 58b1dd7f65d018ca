/** Machines that are saved and run on: what Firecracker is asked, in which order, and what is left in its jail. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineHandle, MachineSpec, VmmDriver } from "../vmm.ts";
import { directJailer } from "./direct.ts";
import { firecrackerDriver } from "./driver.ts";
import { FakeJailer, specIn } from "./testing/fake-jailer.ts";

let dir: string;
let jailer: FakeJailer;
let driver: VmmDriver;
let spec: MachineSpec;
let machine: MachineHandle;
/** What Firecracker says it does. */
let state: string;
let events: string[];

const driverOf = (version: string) =>
  firecrackerDriver({
    programs: ["/nowhere"],
    jailer,
    look: async () => ({ driver: "firecracker", usable: true, acceleration: "kvm", version }),
  });
const to = () => ({ memory: join(dir, "memory"), state: join(dir, "state") });
const inRun = (name: string) => join(spec.runDir, "jail", name);
const done = () => new Response(null, { status: 204 });
const request = (more: { whenHalted?: () => Promise<void> } = {}) => ({
  ...{ receiver: spec, to: to(), layers: [] },
  ...more,
});
const save = (more: { whenHalted?: () => Promise<void> } = {}, signal?: AbortSignal) =>
  driver.checkpoint?.(machine, request(more), signal);

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "banger-fcc-"));
  jailer = new FakeJailer();
  driver = driverOf("1.12.1");
  spec = specIn(dir);
  machine = await driver.start(spec);
  [state, events, jailer.heard] = ["Running", [], []];
  jailer.answers["/"] = () => Response.json({ id: "x", state, vmm_version: "1.12.1" });
  jailer.answers["/vm"] = () => {
    state = state === "Running" ? "Paused" : "Running";
    events.push(state);
    return done();
  };
  jailer.answers["/snapshot/create"] = () => {
    events.push("written");
    writeFileSync(inRun("memory"), Buffer.concat([Buffer.alloc(512 * 1024), Buffer.alloc(512 * 1024, 7)]));
    writeFileSync(inRun("state"), "state");
    return done();
  };
});
afterEach(async () => {
  await jailer.close();
  rmSync(dir, { recursive: true });
});

const nothingLeft = () => expect(["memory", "state"].filter((name) => existsSync(inRun(name)))).toEqual([]);

describe("a machine that is saved", () => {
  test("stands still while its memory is written, then its disks are taken, then it runs again", async () => {
    const whenHalted = async () => {
      events.push(`disks, ${state}`);
    };
    const halted = await save({ whenHalted });
    expect(events).toEqual(["Paused", "written", "disks, Paused", "Running"]);
    expect(halted?.haltedMs).toBeGreaterThan(0);
    expect(readFileSync(to().state, "utf8")).toBe("state");
    expect(readFileSync(to().memory).subarray(512 * 1024)).toEqual(Buffer.alloc(512 * 1024, 7));
    nothingLeft();
  });

  test("stands still afterwards if it did before", async () => {
    state = "Paused";
    await save();
    expect([state, events]).toEqual(["Paused", ["written"]]);
  });

  test("runs on when its memory cannot be written, its disks cannot be taken, or its caller goes", async () => {
    const over = new AbortController();
    const failures: [string, () => Promise<unknown> | undefined][] = [
      ["full", () => save({ whenHalted: () => Promise.reject(new Error("full")) })],
      [
        "aborted",
        () =>
          save(
            {
              whenHalted: async () => {
                over.abort();
              },
            },
            over.signal,
          ),
      ],
      [
        "no space",
        () => {
          jailer.answers["/snapshot/create"] = () => {
            writeFileSync(inRun("memory"), "half");
            return Response.json({ fault_message: "no space" }, { status: 400 });
          };
          return save();
        },
      ],
    ];
    for (const [why, act] of failures) {
      await expect(act()).rejects.toThrow(why);
      expect([why, state]).toEqual([why, "Running"]);
      nothingLeft();
      expect(existsSync(to().state)).toBe(false);
    }
  });

  test("is not followed through a link that its VMM has put in the place of its run directory", async () => {
    const elsewhere = join(dir, "elsewhere");
    mkdirSync(elsewhere);
    for (const name of ["memory", "state"]) writeFileSync(join(elsewhere, name), "another's");
    // As in system mode: a link of ours to what is the VMM's.
    const link = inRun("");
    const run = join(dir, "in-the-jail");
    renameSync(link, run);
    symlinkSync(run, link.replace(/\/$/, ""));
    await save();
    expect(readFileSync(to().state, "utf8")).toBe("state");
    renameSync(run, `${run}.moved`);
    symlinkSync(elsewhere, run);
    symlinkSync(`${run}.moved/firecracker.socket`, join(elsewhere, "firecracker.socket"));
    await expect(save()).rejects.toThrow("there is no run directory");
    expect(readdirSync(elsewhere).sort()).toEqual(["firecracker.socket", "memory", "state"]);
  });

  test("that a killed daemon has left so goes on, and what it wrote is removed", async () => {
    state = "Paused";
    for (const name of ["memory", "state"]) writeFileSync(inRun(name), "left");
    await driver.resume?.(machine);
    expect(state).toBe("Running");
    nothingLeft();
  });

  test("is none of a Firecracker that is too old or too new for it, nor of one without a jail", async () => {
    for (const version of ["1.11.9", "1.16.0"])
      await expect(driverOf(version).checkpoint?.(machine, request())).rejects.toMatchObject({
        code: "precondition",
        message: `VMs cannot be saved with Firecracker ${version}`,
      });
    expect(events).toEqual([]);
    const plain = firecrackerDriver({ programs: ["/bin/true"], jailer: directJailer("/bin/true") });
    expect(plain.checkpoint).toBeUndefined();
    expect(driver.capabilities).toMatchObject({ frozenDisks: "copies", keepsConnections: false });
  });
});
