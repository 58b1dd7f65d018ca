/** How mmdebstrap can run here, and what its failures mean. */
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { BangerError } from "../base/base.ts";
import { run, runStreaming } from "../sys/sys.ts";
import { ownNamespace } from "./namespace.ts";

/** Throws host_missing when building an image would, for want of its program. */
export async function needsMmdebstrap(signal: AbortSignal): Promise<void> {
  await run("mmdebstrap", ["--version"], { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new BangerError("host_missing", "mmdebstrap is not installed", {
      hint: "install it: sudo apt-get install mmdebstrap uidmap",
      cause: error,
    });
  });
}

/** `root` as root; else `unshare`, where user namespaces with subordinate ids work. Throws host_missing with the remedy. */
export async function mmdebstrapMode(signal: AbortSignal): Promise<"root" | "unshare"> {
  await needsMmdebstrap(signal);
  if (process.getuid?.() === 0) return "root";
  const obstacle = await namespaceObstacle(userInfo().username, signal);
  if (obstacle === undefined) return "unshare";
  throw new BangerError("host_missing", obstacle.reason, { hint: obstacle.remedy });
}

/**
 * Runs mmdebstrap to its end; its status. What it mounts as root is nobody else's: mounts that a killed build left would keep
 * its directory from being removed, or be removed in.
 */
export async function runMmdebstrap(
  mode: "root" | "unshare",
  args: readonly string[],
  options: Parameters<typeof runStreaming>[2],
): Promise<number> {
  const words = ["mmdebstrap", `--mode=${mode}`, ...args];
  // As root in a container that may not mount, mmdebstrap does without.
  const own = ["--mount", "--propagation=private"];
  const mounts = mode === "root" && (await run("unshare", [...own, "true"], options)).status === 0;
  return mounts
    ? runStreaming("unshare", [...own, ...words], options)
    : runStreaming("mmdebstrap", words.slice(1), options);
}

/** Why this user cannot build images without root. */
export interface NamespaceObstacle {
  kind: "no newuidmap" | "no subordinate ids" | "no namespace";
  reason: string;
  /** A command line; for `no newuidmap` Debian's. */
  remedy: string;
}

/** What mmdebstrap's mode `unshare` needs beside its program; undefined when `user`, who is this process's, has all of it. */
export async function namespaceObstacle(
  user: string,
  signal: AbortSignal,
): Promise<NamespaceObstacle | undefined> {
  try {
    // Its own word for a wrong command line is 1.
    await run("newuidmap", [], { signal });
  } catch {
    signal.throwIfAborted();
    const reason = "newuidmap, which building an image without root needs, is not installed";
    return { kind: "no newuidmap", reason, remedy: "install it: sudo apt-get install uidmap" };
  }
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text.split("\n").some((line) => line.startsWith(`${user}:`))) continue;
    return {
      kind: "no subordinate ids",
      reason: `${user} has no subordinate ids in ${file}, which building an image without root needs`,
      remedy: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
    };
  }
  const probe = await run("unshare", [...ownNamespace, "true"], { signal });
  if (probe.status === 0) return undefined;
  const said = probe.stderr.trim() || `status ${probe.status}`;
  const reason = `this host does not let ${user} make a user namespace: ${said}`;
  return { kind: "no namespace", reason, remedy: await namespaceRemedy() };
}

/** Which of the kernel's switches forbids user namespaces to ordinary users: Debian's, Ubuntu's, or the limit itself. */
async function namespaceRemedy(): Promise<string> {
  const switches = [
    { name: "kernel.unprivileged_userns_clone", off: "0", on: "1" },
    { name: "kernel.apparmor_restrict_unprivileged_userns", off: "1", on: "0" },
    { name: "user.max_user_namespaces", off: "0", on: "10000" },
  ];
  for (const { name, off, on } of switches) {
    const value = await readFile(`/proc/sys/${name.replaceAll(".", "/")}`, "utf8").catch(() => "");
    if (value.trim() === off) return `sudo sysctl -w ${name}=${on}`;
  }
  return "allow user namespaces to this user, or build the image as root";
}

/** The lines of mmdebstrap's output that say what went wrong, as an error that says what to do. */
export function explainFailure(status: number, lines: readonly string[]): BangerError {
  const errors = lines.filter((line) => /^(E:|W: .*Failed|mke2fs:|.*No space left)/.test(line)).slice(-3);
  // What a hook or a package's script said before mmdebstrap's own "E: command failed".
  const before = lines
    .slice(
      0,
      lines.findIndex((line) => line.startsWith("E:")),
    )
    .findLast((line) => !/^[EIWN]: /.test(line));
  const said =
    [...(before === undefined ? [] : [before]), ...errors].join("; ") || (lines.at(-1) ?? "no message");
  if (/No space left/.test(said)) {
    return new BangerError("no_space", `the image could not be built: ${said}`, {
      hint: "free about 5 GB and try again",
    });
  }
  if (/Failed to fetch|Could not resolve|Unable to connect/.test(said)) {
    return new BangerError("unavailable", `the image could not be built: ${said}`, {
      hint: "check the network, or set debian_mirror in banger's config.toml",
    });
  }
  return new BangerError(
    "operation_failed",
    `the image could not be built: mmdebstrap ended with ${status}: ${said}`,
  );
}
