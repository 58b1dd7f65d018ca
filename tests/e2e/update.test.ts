/** A VM that runs on while the banger that started it is replaced: by a newer one, and by one that does not work. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { executable, Person, type UpdateBed, updateBed } from "../integration/update-fixture.ts";
import { Banger } from "./fixture.ts";

let bed: UpdateBed;
let banger: Banger;
let person: Person;
beforeAll(async () => {
  bed = await updateBed();
  banger = new Banger();
  person = new Person(bed, "p");
  const old = await executable("1.2.0");
  person.install("1.2.0", old);
  await bed.release("1.3.0", await executable("1.3.0"));
  await banger.image();
  await banger.ok(["daemon", "stop"]);
  // The store and the configuration are those of all e2e tests; the program is this person's.
  Object.assign(person.env, banger.env);
}, 900_000);
afterAll(async () => {
  await person.run(["vm", "delete", "kept"]);
  await person.end();
  await banger.close();
  bed.end();
});

const ok = async (...words: string[]) => {
  const { status, out, err } = await person.run(words);
  expect(status, `${words.join(" ")}: ${err}`).toBe(0);
  return out;
};
const shown = async () =>
  JSON.parse(await ok("vm", "show", "kept", "--json")) as { pid: number; state: string };

test("a VM runs on, and is entered by the new version", async () => {
  await ok("vm", "create", "--name", "kept", "--memory", "512M");
  await ok(
    "vm",
    "exec",
    "kept",
    "--",
    "sh",
    "-c",
    "echo one > /root/kept; nohup sleep 100000 >/dev/null 2>&1 & echo $! > /root/pid",
  );
  const { pid } = await shown();
  const { status, out, err } = await person.update();
  expect({ status, out }, err).toEqual({ status: 0, out: "v1.3.0 is installed (signed on 2026-11-20)\n" });
  expect(await shown()).toMatchObject({ pid, state: "running" });
  expect((await person.daemon())?.version).toBe("1.3.0");
  expect(
    await ok("vm", "exec", "kept", "--", "sh", "-c", "cat /root/kept; kill -0 $(cat /root/pid) && echo on"),
  ).toBe("one\non\n");
}, 600_000);

test("and through a release whose daemon does not start, which is taken back", async () => {
  const { pid } = await shown();
  await bed.release("1.3.1", await executable("1.3.1", "daemon"), "2026-11-21T10:00:00Z");
  const { status, err } = await person.update();
  expect([status, err]).toEqual([1, expect.stringContaining("was rolled back to v1.3.0")]);
  expect(await shown()).toMatchObject({ pid, state: "running" });
  expect((await person.daemon())?.version).toBe("1.3.0");
  expect(await ok("vm", "exec", "kept", "--", "cat", "/root/kept")).toBe("one\n");
}, 600_000);

test("while a command runs in it an update is refused; the command ends as it would have", async () => {
  const command = person.run([
    "vm",
    "exec",
    "kept",
    "--",
    "sh",
    "-c",
    "until test -e /root/go; do sleep 0.1; done; echo went",
  ]);
  while (!(await ok("vm", "exec", "kept", "--", "sh", "-c", "pgrep -f root/go || true")).includes("\n"))
    await Bun.sleep(100);
  const { status, err } = await person.update(["--to", "1.3.1"]);
  expect([status, err]).toEqual([
    1,
    expect.stringContaining("banger is in use: a command in a VM (guest.exec, "),
  ]);
  await ok("vm", "exec", "kept", "--", "touch", "/root/go");
  expect(await command).toMatchObject({ status: 0, out: "went\n" });
}, 600_000);
