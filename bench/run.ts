/** `npm run bench [-- NAME ...]`: ratios side by side in one run, as a table for docs/performance.md. */
import { mkdirSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { installGeneric } from "../tests/e2e/generic-kernel.ts";
import { bundleBench } from "./bundle.ts";
import { bareAgent, bareRestore, stockImage, stockSsh } from "./by-hand.ts";
import { ext4Arms } from "./ext4.ts";
import { nullBed } from "./null-bed.ts";
import { compareOci, ociMemory } from "./oci.ts";
import { MiB } from "./oci-bed.ts";
import { comparePairs, median, type PairResult } from "./pairs.ts";
import { compareStreams } from "./stream.ts";
import { clonesPss, importWarm } from "./warm.ts";
import { workspaceArms } from "./workspace.ts";
import {
  cleanUp,
  deleteAll,
  oneWaits,
  scratch,
  spares,
  text,
  time,
  timeToOutput,
  timeToSsh,
  warmUp,
} from "./world.ts";

const machine = ["--vcpu", "2", "--memory", "1G"];
/** What is measured is a boot, and no template is made beside it. */
const size = ["--cold", ...machine];
/** The size that the templates' figures are for. */
const small = ["--vcpu", "2", "--memory", "512M"];
const rows: string[] = [];

function row(name: string, goal: string, { a, b, ratio }: PairResult): void {
  const ms = (value: number) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
  rows.push(
    `| ${name} | ${ms(a)} | ${ms(b)} | **${ratio.median.toFixed(2)}** (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}) | ${goal} |`,
  );
  process.stderr.write(`${rows.at(-1)}\n`);
}

const benches: Record<string, () => Promise<void>> = {
  cold: async () => {
    const a = {
      name: "vm run, first output",
      run: () => timeToOutput(["vm", "run", "--rm", ...size, "--", "echo", "x"]),
    };
    row(
      "cold start to first output / the same QEMU by hand",
      "1.10",
      await comparePairs(a, { name: "by hand", run: bareAgent }, 4),
    );
  },
  stock: async () => {
    const image = stockImage();
    const b = { name: "stock boot to ssh", run: () => stockSsh(image) };
    const a = { name: "vm run -- true", run: () => time(["vm", "run", "--rm", ...size, "--", "true"]) };
    row(
      "`vm run --rm -- true`, enter to exit / stock guest's boot to ssh",
      "0.30",
      await comparePairs(a, b, 4),
    );
    const banner = { name: "vm create to ssh", run: () => timeToSsh("bench", size) };
    row("`vm create`, enter to ssh banner / stock guest's", "0.35", await comparePairs(banner, b, 3));
  },
  kernel: async () => {
    const { image, remove } = installGeneric();
    try {
      const boot = (name: string) => ({
        name,
        run: () => time(["vm", "run", "--rm", ...size, "--image", name, "--", "true"]),
      });
      row(
        "`vm run --rm -- true` cold, enter to exit: generic kernel / Debian's cloud kernel",
        "1.00",
        await comparePairs(boot(image), boot("debian-bookworm"), 7),
      );
    } finally {
      deleteAll();
      remove();
    }
  },
  warm: async () => {
    spares(false);
    const template = await warmUp(small);
    const a = { name: "warm vm run", run: () => time(["vm", "run", "--rm", ...small, "--", "true"]) };
    const byHand = { name: "restore by hand", run: () => bareRestore(template) };
    row(
      "warm `vm run --rm -- true`, enter to exit / the same template by hand",
      "1.50",
      await comparePairs(a, byHand, 9),
    );
    spares(true);
    await time(["vm", "run", "--rm", ...small, "--", "true"]);
    await oneWaits();
    const waiting = {
      name: "warm vm run, one waits",
      run: async () => {
        const ms = await a.run();
        // The next one is made before anything else is measured.
        await oneWaits();
        return ms;
      },
    };
    row(
      "the same, when a guest waits, / the same template by hand",
      "1.50",
      await comparePairs(waiting, byHand, 9),
    );
    const image = stockImage();
    const b = { name: "stock boot to ssh", run: () => stockSsh(image) };
    row(
      "the same, when a guest waits, / stock guest's boot to ssh",
      "0.025",
      await comparePairs(waiting, b, 5),
    );
    spares(false);
    const cold = {
      name: "cold vm run",
      run: () => time(["vm", "run", "--rm", "--cold", ...small, "--", "true"]),
    };
    row("warm `vm run --rm -- true` / cold", "0.10", await comparePairs(a, cold, 5));
  },
  clones: async () => {
    spares(false);
    await warmUp(small);
    const { tenth, cold } = await clonesPss(small);
    rows.push(
      `| memory (Pss) of the tenth clone / of a VM that booted | ${tenth.toFixed(0)} MiB | ${cold.toFixed(0)} MiB | **${(tenth / cold).toFixed(2)}** | 0.35 |`,
    );
  },
  import: async () => {
    spares(false);
    await warmUp(small);
    const { withRepository, without } = importWarm(small);
    row(
      "warm `vm run --rm` with 5,000 files / 50 MB, enter to exit / without",
      "1.5 s",
      await comparePairs(withRepository, without, 5),
    );
  },
  exec: async () => {
    await time(["vm", "create", "--name", "bench", ...size]);
    const config = join(scratch, "ssh");
    mkdirSync(config, { recursive: true });
    const b = { name: "vm ssh", run: () => time(["vm", "ssh", "bench", "--", "true"]) };
    const a = { name: "vm exec", run: () => time(["vm", "exec", "bench", "--", "true"]) };
    row("`vm exec -- true` / `vm ssh -- true` (new connection)", "0.15 s", await comparePairs(a, b, 9));
    await time(["vm", "delete", "bench"]);
  },
  cli: async () => {
    await time(["vm", "list"]);
    const b = { name: "--version", run: () => time(["--version"]) };
    row(
      "`vm list` / `--version`",
      "3",
      await comparePairs({ name: "vm list", run: () => time(["vm", "list"]) }, b, 21),
    );
    process.stderr.write(
      `daemon at rest: ${JSON.parse(text(["daemon", "status", "--json"])).rssBytes / 2 ** 20} MiB\n`,
    );
  },
  stream: async () => {
    row("256 MiB to an echo and back by ticket / by a plain unix socket", "2", await compareStreams());
  },
  ext4: async () => {
    const { filled, mke2fs, unpacked } = ext4Arms();
    const what = "a tar of 5,000 files / 50 MB into a fresh work disk";
    row(`${what} / \`mke2fs -d\` of the unpacked tree`, "0.5 s", await comparePairs(filled, mke2fs, 7));
    row(`${what} / \`tar x\` into a directory`, "0.5 s", await comparePairs(filled, unpacked, 7));
  },
  bundle: async () => {
    const { pulled, byHand, peaks, end } = await bundleBench();
    try {
      row(
        "`image pull` of a bundle with 1 GB in its root file system / `curl \\| sha256sum`, then `zstd -d \\| tar x`",
        "1.00",
        await comparePairs(pulled, byHand, 7),
      );
      const { memory, pulledDisk, byHandDisk, size, unpackedBytes } = await peaks();
      const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
      process.stderr.write(
        `bundle ${mib(size)}, unpacked ${mib(unpackedBytes)}; at most ${mib(memory)} of memory in the daemon; on the disk ${mib(pulledDisk)}, by hand ${mib(byHandDisk)}\n`,
      );
    } finally {
      end();
    }
  },
  oci: async () => {
    const { first, second, secondByTools, disk, memory } = await compareOci(3);
    const image = "pull of a 300 MB, 8-layer image";
    row(`${image} / \`skopeo copy\`, \`umoci unpack\`, \`mke2fs -d\``, "0.50", first);
    row("a second one that shares the base / the first", "0.40", second);
    row("the second one / the same by the tools", "0.50", secondByTools);
    const bytes = (name: string, goal: string, { banger, tools }: { banger: number; tools: number }) =>
      rows.push(
        `| ${name} | ${(banger / MiB).toFixed(0)} MiB | ${(tools / MiB).toFixed(0)} MiB | **${(banger / tools).toFixed(2)}** | ${goal} |`,
      );
    bytes(`${image}: peak disk / the tools'`, "0.50", disk);
    bytes(`${image}: peak memory of the daemon / of the tools`, "200 MiB", memory);
  },
  "oci-memory": async () => {
    for (const { image, memoryBytes } of await ociMemory())
      rows.push(
        `| peak memory of the daemon, ${image} | ${(memoryBytes / MiB).toFixed(0)} MiB | | | 200 MiB |`,
      );
  },
  null: async () => {
    const figures = await nullBed();
    const shown = (ms: number) => ms.toFixed(1);
    rows.push(
      `| \`vm run --rm -- true\` on the null bed, alone / among 50 VMs | ${shown(figures.alone)} | ${shown(figures.among50)} | ${(figures.among50 / figures.alone).toFixed(2)} | 60 ms |`,
    );
    process.stderr.write(
      `${rows.at(-1)}\ncalls: ${figures.calls.join(" ")}; daemon ${figures.rssMiB.toFixed(0)} MiB\n`,
    );
  },
  workspace: async () => {
    await time(["vm", "create", "--name", "bench", ...size]);
    const { imported, overSsh, rawBytes } = workspaceArms();
    const what = "5,000 files / 50 MB into a running guest";
    row(`${what} / \`tar c \\| ssh tar x\``, "0.60", await comparePairs(imported, overSsh, 3));
    row(
      `${what} / as many bytes to \`cat\` through the agent`,
      "1.30",
      await comparePairs(imported, rawBytes, 3),
    );
    await time(["vm", "delete", "bench"]);
  },
};

/** What needs no image. */
const withoutVms = ["ext4", "stream", "bundle", "oci", "oci-memory"];
/** What needs more than was built on any machine that has banger: only when it is asked for. */
const askedFor = ["kernel"];
const asked = process.argv.slice(2);
try {
  const names = asked.length === 0 ? Object.keys(benches).filter((name) => !askedFor.includes(name)) : asked;
  if (names.some((name) => !withoutVms.includes(name))) await time(["image", "pull", "debian-bookworm"]);
  // A run that was cut off leaves its VMs.
  deleteAll();
  for (const [name, bench] of Object.entries(benches)) if (names.includes(name)) await bench();
} finally {
  cleanUp();
}
process.stdout.write(
  "| what (A / B) | A, ms | B, ms | A/B, median of pairs (min-max) | goal |\n|---|---|---|---|---|\n",
);
process.stdout.write(
  `${rows.join("\n")}\n\nLoad average ${median(loadavg()).toFixed(1)}; ${new Date().toISOString().slice(0, 10)}.\n`,
);
