/** Processes that tests have left running: a daemon that goes on has its store to itself, and every test after it fails. */
import { readdirSync, readFileSync } from "node:fs";

/** Those whose temporary directory is `scratch`, which everything that a test starts inherits: pid and command line. */
export function runningIn(scratch) {
  const found = [];
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      if (!readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(`TMPDIR=${scratch}`)) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      // Without a command line it has ended, and waits to be reaped.
      if (command !== "") found.push({ pid: Number(name), command: command.slice(0, 200) });
    } catch {
      // It ended while we looked, or is not ours.
    }
  }
  return found;
}

/** Those of them that still run after `graceMs`, which what is about to end anyway may take. Ended by force. */
export async function endRunning(scratch, graceMs) {
  const until = Date.now() + graceMs;
  while (runningIn(scratch).length > 0 && Date.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const left = runningIn(scratch);
  for (const { pid } of left) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
  return left;
}
