/** Starting programs during set-up: their output is kept, and shown when they fail. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string | undefined>, onLine?: (line: string) => void, status?: (line: string) => void }} options
 *   `status` gets the lines of descriptor 3 (apt's status).
 */
export function run(program, args, { cwd, env, onLine, status } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe", ...(status ? ["pipe"] : [])],
    });
    const kept = [];
    const lines = (stream, each) => {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk) => {
        const all = (rest + chunk).split(/[\r\n]+/);
        rest = all.pop() ?? "";
        for (const line of all) each(line);
      });
      stream.on("end", () => rest && each(rest));
    };
    const keep = (line) => {
      kept.push(line);
      if (kept.length > 60) kept.shift();
      onLine?.(line);
    };
    lines(child.stdout, keep);
    lines(child.stderr, keep);
    if (status) lines(child.stdio[3], status);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(kept);
      else
        reject(
          new Error(
            `${program} ${args.slice(0, 3).join(" ")} ended with status ${code}:\n${kept.slice(-25).join("\n")}`,
          ),
        );
    });
  });
}

/** @param {string} program */
export function installed(program) {
  const path = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return path.some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
