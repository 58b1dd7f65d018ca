/** A kernel without modules in Firecracker: the one that images/kernels/generic/build.sh has built, if it has. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { builtKernel, howToBuild } from "../e2e/generic-kernel.ts";
import { bringDriver, live } from "./firecracker/run.ts";
import { host } from "./host.ts";

const isBuilt = existsSync(builtKernel);
const why = isBuilt ? "" : ` (skipped: a kernel takes half an hour to build; ${howToBuild})`;
const given = test.skipIf(!isBuilt);
const machine = await host();
const asRoot = { user: "root" } as const;

beforeAll(async () => {
  if (!isBuilt) return;
  await machine.giveStore();
  await machine.ok("mkdir -p /srv/generic", asRoot);
  for (const file of ["vmlinux", "manifest.json"])
    await machine.copyIn(join(builtKernel, file), `/srv/generic/${file}`, asRoot);
  for (const image of ["tiny", "debian-bookworm"])
    await machine.script(join(import.meta.dir, "firecracker/put-generic.ts"), [image]);
  await bringDriver(machine);
}, 600_000);

given(
  `the smallest guest boots, beside the same with Debian's cloud kernel${why}`,
  async () => {
    const { release } = JSON.parse(readFileSync(join(builtKernel, "manifest.json"), "utf8"));
    const hello = { tiny: [] as number[], "tiny-generic": [] as number[] };
    for (const image of ["tiny", "tiny-generic", "tiny-generic", "tiny"] as const) {
      const told = await live(machine, { image, memoryMiB: 128, end: "immediate" });
      if (image === "tiny-generic") expect(told.uname).toContain(release);
      expect(told).toMatchObject({ left: [], leftProcess: false });
      hello[image].push(told.helloMs);
    }
    // A figure, and no test: the machine that this runs on has other things to do.
    console.log(`from the start to the agent's hello, ms: ${JSON.stringify(hello)}`);
  },
  1_200_000,
);

given(
  `Debian boots, and ends in order when it is asked by Ctrl-Alt-Del${why}`,
  async () => {
    const told = await live(machine, {
      image: "debian-bookworm-generic",
      memoryMiB: 512,
      end: "power button",
    });
    expect(told).toMatchObject({ left: [], leftProcess: false });
  },
  600_000,
);
