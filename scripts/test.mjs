#!/usr/bin/env node
/**
 * `npm test [-- TIER ...]`: set-up, then every test; ends with one line `N passed, N failed`.
 * Tiers: check (types, format, lint, shell scripts, generated files), unit, integration, e2e, system (of these two a part
 * each day; BANGER_E2E=all and BANGER_SYSTEM=all for the whole).
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { e2eFiles } from "./e2e-files.mjs";
import { hostKernelFailure } from "./host-kernel.mjs";
import { readReport } from "./junit.mjs";
import { endRunning } from "./leftovers.mjs";
import { note } from "./setup/progress.mjs";
import { setup } from "./setup.mjs";
import { systemFiles } from "./system-files.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules/.bin", name);

const checks = [
  ["format and lint", bin("biome"), ["ci", "--error-on-warnings", "."]],
  ["types", bin("tsc"), ["--noEmit", "-p", "."]],
  [
    "shell scripts",
    "shellcheck",
    [
      ".ci/run",
      "images/kernels/generic/build.sh",
      "images/provision.sh",
      "images/provision-guest.sh",
      "scripts/install.sh",
      "src/cli/completion/banger.bash",
      "src/cli/run/tooling.sh",
      "tests/integration/provision-repositories.sh",
      "tests/system/host/make-disk.sh",
      "tests/system/host/provision.sh",
      "tests/system/host/tiny-init.sh",
    ],
  ],
  ["generated files", bin("bun"), ["scripts/gen.ts", "--check"]],
];
/** Per tier: where its tests are, and how long one file may take, in seconds. */
const tiers = {
  unit: { paths: ["scripts", "src", "tests", "tests/docs"], direct: true, limit: 300 },
  integration: { paths: ["tests/integration"], limit: 600 },
  e2e: { paths: ["tests/e2e"], limit: 1500 },
  // In a host of its own, emulated by QEMU, which is brought up once for all files.
  system: { paths: ["tests/system"], limit: 1200, host: true },
};

const total = { passed: 0, failed: 0, skipped: 0 };
/** Named again at the end, where they are found without reading all that was printed. */
const failed = [];
const host = (word, limit, ...words) => run(bin("bun"), ["tests/system/host/main.ts", word, ...words], limit);
/** The process group that is at work, and whether there is a host to take down: for whoever interrupts us. */
let working;
let hostIsUp = false;

function run(program, args, limitSeconds, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
    });
    working = child.pid;
    const timer = setTimeout(() => {
      note(`test: ${args.at(-1)} took longer than ${limitSeconds} s and was ended`);
      // The whole group, so that nothing the test started stays behind.
      process.kill(-child.pid, "SIGKILL");
    }, limitSeconds * 1000);
    child.on("error", (error) => {
      note(`test: ${program}: ${error.message}`);
      clearTimeout(timer);
      resolve(1);
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}

/** Groups of their own do not hear the terminal's Ctrl-C. */
function interrupted() {
  note("test: interrupted");
  try {
    if (working !== undefined) process.kill(-working, "SIGKILL");
  } catch {
    // It has ended already.
  }
  if (hostIsUp) spawnSync(bin("bun"), ["tests/system/host/main.ts", "end"], { cwd: root, stdio: "inherit" });
  process.exit(130);
}

function fail(what) {
  total.failed += 1;
  failed.push(what);
  note(`failed: ${what}`);
}

async function runChecks() {
  for (const [title, program, args] of checks) {
    note(`== check: ${title}`);
    const status = await run(program, args, 300);
    if (status === 0) total.passed += 1;
    else fail(`check: ${title}`);
  }
}

function testFiles(dir, direct) {
  const found = [];
  for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && !(direct && dir === "tests")) found.push(...testFiles(path, direct));
    else if (entry.name.endsWith(".test.ts")) found.push(path);
  }
  return found.sort();
}

function filesOf(name) {
  const { paths, direct, host: inHost } = tiers[name];
  const found = paths.flatMap((path) => testFiles(path, direct));
  if (name === "e2e") return e2eFiles(found, process.env.BANGER_E2E);
  return inHost ? systemFiles(found, process.env.BANGER_SYSTEM) : found;
}

/** One process per file for real things, one for all units. Counts come from JUnit files, not from what is printed. */
async function runTier(name, files) {
  if (!tiers[name].host) return runFiles(name, files);
  note("== system: bringing up the emulated host");
  hostIsUp = true;
  try {
    if ((await host("up", 1200, "--fresh")) === 0) return await runFiles(name, files);
    fail("system: the emulated host did not come up");
    await host("collect", 300);
  } finally {
    await host("down", 300);
    hostIsUp = false;
  }
}

async function runFiles(name, files) {
  const { host: inHost } = tiers[name];
  const groups = name === "unit" ? [files] : files.map((file) => [file]);
  for (const group of groups) {
    note(`== ${name}: ${group.length === 1 ? group[0] : `${group.length} files`}`);
    let outcome = await runGroup(name, group);
    if (inHost && outcome.status !== 0) {
      await host("collect", 300);
      const broken = hostKernelFailure(join(root, "build/system"));
      if (broken !== undefined) {
        note(`the emulated host's own kernel failed (${broken}): once more, on a host of its own`);
        outcome = await runGroup(name, group);
        if (outcome.status !== 0) await host("collect", 300);
      }
    }
    judge(group.length === 1 ? group[0] : name, outcome);
  }
}

/** Counts what one run came to. */
function judge(title, { status, counts, failures, left, running }) {
  total.passed += counts.passed;
  total.skipped += counts.skipped;
  for (const name of failures) fail(`${title}: ${name}`);
  // A run that died, or found nothing to run, is a failure that no report tells of.
  if (failures.length === 0 && status !== 0) fail(`${title}: ended with ${status}`);
  // Whether they passed or not: it would be in the way of the tests that come after.
  if (running.length > 0) fail(`${title}: left running: ${running.map(({ command }) => command).join("; ")}`);
  // Tests that passed clean up after themselves; of one that failed, no more is expected.
  else if (status === 0 && left.length > 0)
    fail(`${title}: left in the temporary directory: ${left.join(", ")}`);
}

async function runGroup(name, group) {
  const { limit } = tiers[name];
  const dir = mkdtempSync(join(tmpdir(), "banger-"));
  const report = join(dir, "report.xml");
  const scratch = join(dir, "t");
  mkdirSync(scratch);
  // Some tests are other users in part, who must get to what is theirs.
  for (const each of [dir, scratch]) chmodSync(each, 0o755);
  const args = [
    "test",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    `--timeout=${limit * 1000}`,
    ...group.map((file) => `./${file}`),
  ];
  const status = await run(bin("bun"), args, limit, { TMPDIR: scratch });
  // The emulated host, which such tests may bring up anew, is for all of them.
  const running = tiers[name].host ? [] : await endRunning(scratch, 5000);
  const { counts, failures } = readReport(report);
  const left = readdirSync(scratch);
  rmSync(dir, { recursive: true, force: true });
  return { status, counts, failures, left, running };
}

const asked = process.argv.slice(2);
const wanted = asked.length > 0 ? asked : ["check", ...Object.keys(tiers)];
const unknown = wanted.find((name) => name !== "check" && !(name in tiers));
if (unknown !== undefined) {
  note(`test: there is no tier ${unknown}; there are check, ${Object.keys(tiers).join(", ")}`);
  process.exit(2);
}
const plan = [];
try {
  for (const name of wanted) plan.push({ name, files: name === "check" ? [] : filesOf(name) });
} catch (error) {
  note(error.message);
  process.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupted);
try {
  await setup({ tests: true });
} catch (error) {
  note(`setup: ${error instanceof Error ? error.message : error}`);
  process.stdout.write("0 passed, 1 failed\n");
  process.exit(1);
}
for (const { name, files } of plan) {
  if (name === "check") await runChecks();
  else await runTier(name, files);
}
if (failed.length > 0) process.stdout.write(`${failed.map((what) => `failed: ${what}`).join("\n")}\n`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
