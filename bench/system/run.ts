/**
 * `npm run bench:system [-- NAME ...]`: the system mode's figures, in the emulated host of tests/system (docs/system-tests.md),
 * each pair side by side in one run of one host. Printed as a table for docs/performance.md.
 */
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree, runChecked } from "../../src/sys/sys.ts";
import { down, up } from "../../tests/system/host/life.ts";
import { type Host, host } from "../../tests/system/host.ts";
import { stockImage } from "../by-hand.ts";
import { median, type PairResult } from "../pairs.ts";
import { scratch } from "../world.ts";

const say = (line: string) => process.stderr.write(`${line}\n`);
const rows: string[] = [];
const asRoot = { user: "root", timeoutMs: 1_200_000 } as const;
const asDev = { timeoutMs: 1_200_000 } as const;

function row(name: string, a: string, b: string, ratio: string, goal: string): void {
  rows.push(`| ${name} | ${a} | ${b} | ${ratio} | ${goal} |`);
  say(rows.at(-1) ?? "");
}

function pairRow(name: string, goal: string, { a, b, ratio }: PairResult): void {
  const { median: middle, min, max } = ratio;
  const shown = `**${middle.toFixed(2)}** (${min.toFixed(2)}-${max.toFixed(2)})`;
  row(name, `${a.toFixed(0)} ms`, `${b.toFixed(0)} ms`, shown, goal);
}

/** The program is bundled here, and run by the compiled Bun that banger is. */
async function inside<T>(machine: Host, bench: string): Promise<T> {
  say(`== ${bench}`);
  return JSON.parse(await machine.script(join(import.meta.dir, "inside.ts"), [bench], asRoot));
}

/** The stock guest's disk, with an address instead of DHCP, which nobody here would answer. */
async function bringStock(machine: Host): Promise<void> {
  if ((await machine.run("test -e /srv/stock.ext4")).status === 0) return;
  const image = stockImage();
  // Sparse, and not compressed: an emulated processor takes longer over that than over the bytes.
  const packed = join(tmpdir(), `banger-stock-${process.pid}.tar`);
  try {
    await runChecked("tar", ["-C", join(image, ".."), "-S", "-cf", packed, "stock.ext4"]);
    await machine.copyIn(packed, "/srv/stock.tar", { user: "root" });
  } finally {
    await removeTree(packed);
  }
  await machine.ok(
    `set -e; tar -C /srv -xf /srv/stock.tar; rm /srv/stock.tar
printf '[Match]\\nName=en* eth*\\n[Network]\\nAddress=172.31.0.2/24\\n' > /srv/eth.network
printf 'cd /etc/systemd/network\\nrm 10-eth.network\\nwrite /srv/eth.network 10-eth.network\\n' | debugfs -w -f - /srv/stock.ext4 2>&1`,
    asRoot,
  );
}

const again = "banger daemon stop; until banger vm list >/dev/null 2>&1; do sleep 0.5; done";

/** VMs go on from a template, which is there when `act` is called; afterwards they boot again, as in the other figures. */
async function withTemplate(machine: Host, act: () => Promise<void>): Promise<void> {
  const config = "~/.config/banger/config.toml";
  await machine.ok(
    `mv ${config} ~/booting.toml; echo 'warm = { spare = false }' > ${config}; ${again}`,
    asDev,
  );
  await machine.ok(
    `banger vm run --rm --memory 512M --vcpu 1 -- true
until [ "$(banger template list --json | jq length)" = 1 ]; do sleep 10; done`,
    asDev,
  );
  await act();
  await machine.ok(`banger template prune; mv ~/booting.toml ${config}; ${again}`, asDev);
}

const benches: Record<string, (machine: Host) => Promise<void>> = {
  cold: async (machine) =>
    pairRow(
      "smallest guest: cold start to first output / the same jailer and Firecracker by hand",
      "1.10",
      await inside(machine, "cold"),
    ),
  debian: async (machine) =>
    pairRow(
      "Debian: cold start to first output / the same jailer and Firecracker by hand",
      "1.10",
      await inside(machine, "debian"),
    ),
  stock: async (machine) => {
    await bringStock(machine);
    pairRow(
      "`vm run --rm -- true`, enter to exit / stock guest's boot to ssh",
      "0.35",
      await inside(machine, "stock"),
    );
  },
  warm: async (machine) => {
    await bringStock(machine);
    await withTemplate(machine, async () => {
      pairRow(
        "`vm run --rm -- true` from a template, enter to exit / stock guest's boot to ssh",
        "0.083",
        await inside(machine, "warm"),
      );
      pairRow(
        "`vm run --rm -- true` from a template, enter to exit / the same template restored by hand",
        "1.50",
        await inside(machine, "restore"),
      );
      const { tenth, cold } = await inside<{ tenth: number; cold: number }>(machine, "clones");
      row(
        "memory (Pss) of the tenth clone / of a VM that booted",
        `${tenth.toFixed(0)} MiB`,
        `${cold.toFixed(0)} MiB`,
        `**${(tenth / cold).toFixed(2)}**`,
        "0.35",
      );
    });
  },
  waiting: async (machine) => {
    await bringStock(machine);
    await withTemplate(machine, async () => {
      await machine.ok(`rm ~/.config/banger/config.toml; ${again}`, asDev);
      await machine.ok("banger vm run --rm --memory 512M --vcpu 1 -- true", asDev);
      pairRow(
        "the same, when a guest waits / the same template restored by hand",
        "1.50",
        await inside(machine, "waiting"),
      );
      pairRow(
        "`vm run --rm -- true` when a guest waits, enter to exit / stock guest's boot to ssh",
        "0.083",
        await inside(machine, "waiting-stock"),
      );
    });
  },
  exec: async (machine) =>
    pairRow("`vm exec -- true` / `vm ssh -- true` (new connection)", "0.10", await inside(machine, "exec")),
  idle: async (machine) => {
    const { byHand, banger, helper, daemon } = await inside<Record<string, number>>(machine, "idle");
    if (byHand === undefined || banger === undefined) throw new Error("nothing was measured");
    const mib = (kib: number | undefined) => `${((kib ?? Number.NaN) / 1024).toFixed(1)} MiB`;
    row(
      "memory (Pss) of an idle VM / bare Firecracker",
      mib(banger),
      mib(byHand),
      `**${(banger / byHand).toFixed(2)}**`,
      "1.02",
    );
    row("memory (Pss) at rest: root helper / daemon", mib(helper), mib(daemon), "", "60 MiB");
  },
  ten: async (machine) => {
    const rounds = await inside<number[][]>(machine, "ten");
    for (const round of rounds) say(`  ${round.map((ms) => ms.toFixed(0)).join(" ")}`);
    const nth = (index: number) => median(rounds.map((round) => round[index] ?? Number.NaN));
    const ratio = median(rounds.map((round) => (round[9] ?? Number.NaN) / (round[0] ?? Number.NaN)));
    row(
      "the tenth VM's `vm create` / the first one's",
      `${nth(9).toFixed(0)} ms`,
      `${nth(0).toFixed(0)} ms`,
      `**${ratio.toFixed(2)}**`,
      "1.10",
    );
  },
  steps: async (machine) => {
    for (const [step, ms] of Object.entries(await inside<Record<string, number>>(machine, "steps")))
      say(`  ${step}: ${ms.toFixed(1)} ms`);
  },
  chunks: async (machine) => {
    const sizes = await inside<Record<string, Record<string, number>>>(machine, "chunks");
    say(
      "| chunk of the snapshot | Debian's boot, ms | 64 MiB into a new file, ms | 2,000 small files, ms | layer used, MiB |",
    );
    for (const [size, seen] of Object.entries(sizes))
      say(`| ${size} | ${seen.bootMs} | ${seen.writeMs} | ${seen.filesMs} | ${seen.usedMiB} |`);
  },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => benches[name] === undefined);
if (unknown.length > 0)
  throw new Error(`there is no ${unknown.join(", ")}: ${Object.keys(benches).join(" ")}`);
try {
  await up(say);
  const machine = await host();
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", { timeoutMs: 300_000 });
  // Makes what is made once: initramfs, probes, caches.
  await machine.ok("banger vm run --rm --image tiny --memory 128M --vcpu 1 -- true", { timeoutMs: 300_000 });
  for (const [name, bench] of Object.entries(benches))
    if (asked.length === 0 || asked.includes(name)) await bench(machine);
} finally {
  await down();
  // Made by the benches of the user mode, whose way to the stock image is used here.
  await removeTree(scratch);
}
process.stdout.write(
  "| what (A / B) | A | B | A/B, median of pairs (min-max) | goal |\n|---|---|---|---|---|\n",
);
process.stdout.write(
  `${rows.join("\n")}\n\nLoad average ${median(loadavg()).toFixed(1)}; ${new Date().toISOString().slice(0, 10)}.\n`,
);
