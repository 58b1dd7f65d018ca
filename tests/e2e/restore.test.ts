/** A real Debian, booted once, saved, and going on in clones: started by the driver alone, spoken to by its agent. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Banger } from "./fixture.ts";

// The image first: what follows looks for it as it is loaded.
const banger = new Banger();
await banger.image();
await banger.close();
const { RealGuest } = await import("../integration/real-guest.ts");

/** Under emulation, on a busy host. */
const bootMs = 180_000;

describe("a saved Debian", () => {
  let guest: InstanceType<typeof RealGuest>;
  let template: string;
  beforeAll(async () => {
    guest = new RealGuest({ memoryMiB: 512, vcpu: 2 });
    template = await guest.template();
  }, bootMs);
  afterAll(() => guest.close());

  const digests = () => {
    const files = readdirSync(template).filter((name) => !/^(run|.*\.log)$/.test(name));
    return execFileSync("sha256sum", files, { cwd: template, encoding: "utf8" });
  };

  /** A clone with a name of its own, and a conversation with it. */
  async function clone(name: string, egress: "none" | "nat") {
    const machine = await guest.start({ ...guest.clone(template), egress });
    const session = await guest.session(machine);
    await guest.personalise(session, name);
    return { machine, session, run: (script: string) => guest.run(session, ["sh", "-c", script]) };
  }

  test(
    "goes on in two clones at once, with NAT and without, which see nothing of each other",
    async () => {
      const before = digests();
      const [one, two] = await Promise.all([clone("one", "none"), clone("two", "nat")]);
      for (const [each, name] of [
        [one, "one"],
        [two, "two"],
      ] as const) {
        expect(each.session.hello.basicReached).toBe(true);
        expect(await each.run(`echo ${name} | tee /root/mark /var/mark /dev/shm/mark && sync`)).toBe(
          `${name}\n`,
        );
      }
      for (const [each, name] of [
        [one, "one"],
        [two, "two"],
      ] as const) {
        expect(await each.run("cat /root/mark /var/mark /dev/shm/mark; hostname")).toBe(
          `${name}\n`.repeat(4),
        );
        // More than the host has to spare is neither needed nor written anywhere.
        await each.run("head -c 50M /dev/urandom > /dev/shm/noise && cksum /dev/shm/noise");
      }
      expect(digests()).toBe(before);
      for (const { machine, session } of [one, two]) {
        session.close();
        await guest.driver.kill(machine);
      }
      const { run } = await clone("three", "none");
      expect(await run("ls /root/mark /var/mark /dev/shm/mark 2>&1 | grep -c 'No such'")).toBe("3\n");
      expect(statSync(join(template, "memory")).size).toBe(512 * 1024 * 1024);
    },
    bootMs,
  );
});
