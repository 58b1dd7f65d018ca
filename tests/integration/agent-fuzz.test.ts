import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const native = join(import.meta.dir, "../../native");
/** How long; a longer run finds more. Every run starts from another seed, and says which when it fails. */
const seconds = Number(process.env.BANGER_FUZZ_SECONDS ?? 10);

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, to lock itself in";
  const words = ["-fsanitize=address,undefined", "-x", "c", "-", "-o", "/dev/null"];
  const empty = spawnSync("cc", words, { input: "int main(void) { return 0; }", encoding: "utf8" });
  return empty.status === 0 ? undefined : `this compiler has no sanitizers: ${empty.stderr}`;
}
const reason = missing();
if (reason !== undefined) console.warn(`agent fuzzing skipped: ${reason}`);

const dir = mkdtempSync(join(tmpdir(), "banger-agent-fuzz-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.skipIf(reason !== undefined)(
  `nothing that a host sends makes the agent misstep, in ${seconds} seconds of nonsense`,
  () => {
    const built = spawnSync("make", ["-C", native, "../build/native/agent-fuzz"], { encoding: "utf8" });
    expect(built.stderr).toBe("");
    const run = spawnSync(join(native, "../build/native/agent-fuzz"), [dir, String(seconds)], {
      encoding: "utf8",
    });
    expect(run.stderr).toBe("");
    expect(run.stdout).toMatch(/^agent-fuzz: [1-9][0-9]* rounds/);
    expect(run.status).toBe(0);
  },
  (seconds + 60) * 1000,
);
