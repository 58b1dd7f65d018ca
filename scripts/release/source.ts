/** What a release is made of: one commit, without anything that lies beside it in somebody's checkout. */
import { spawnSync } from "node:child_process";
import { BangerError } from "../../src/base/base.ts";
import { Version } from "../../src/update/versions.ts";
import { runTool } from "../publish/tool.ts";

export interface Source {
  root: string;
  commit: string;
  version: string;
  /** Of the commit, in seconds: everything in the release is so old. */
  epoch: number;
  /** The same in RFC 3339. */
  date: string;
  /** A file's text, as it was committed. Undefined when there is none. */
  read(path: string): string | undefined;
}

/** Throws precondition for a checkout with changes: the release would not be what people see in it. */
export function openSource(root: string): Source {
  const git = (...args: string[]) => runTool("git", ["-C", root, ...args]).toString();
  const changed = git("status", "--porcelain").trimEnd();
  if (changed !== "") {
    const [first = "", ...more] = changed.split("\n");
    throw new BangerError(
      "precondition",
      `the checkout has changes: ${first.trim()}${more.length > 0 ? ` and ${more.length} more` : ""}`,
      { hint: "commit them, or put them away: a release is made of a commit" },
    );
  }
  const commit = git("rev-parse", "HEAD").trim();
  const read = (path: string) => {
    const { status, stdout } = spawnSync("git", ["-C", root, "show", `${commit}:${path}`], {
      encoding: "utf8",
      maxBuffer: 64 * 1024 ** 2,
    });
    return status === 0 ? stdout : undefined;
  };
  const epoch = Number(git("log", "-1", "--format=%ct", commit));
  const date = new Date(epoch * 1000).toISOString().replace(/\.\d+Z$/, "Z");
  return { root, commit, version: versionOf(read("package.json")), epoch, date, read };
}

function versionOf(text: string | undefined): string {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  const version =
    typeof value === "object" && value !== null && "version" in value ? value.version : undefined;
  const parsed = Version.safeParse(version);
  if (parsed.success) return parsed.data;
  throw new BangerError("bad_config", `the version in package.json is none: ${JSON.stringify(version)}`, {
    hint: "as 1.2.3, or 1.3.0-rc.1 before a release",
  });
}

/** What has to be so before others get it. Throws precondition, already_exists. */
export function checkReleasable({ root, commit, version, read }: Source): void {
  const heading = new RegExp(`^## ${version.replaceAll(".", "\\.")}(?: |$)`, "m");
  if (!heading.test(read("CHANGELOG.md") ?? "")) {
    throw new BangerError("precondition", `CHANGELOG.md has no heading \`## ${version}\``, {
      hint: "say what is new in it, under that heading, and commit it",
    });
  }
  const tagged = spawnSync(
    "git",
    ["-C", root, "rev-parse", "--quiet", "--verify", `refs/tags/v${version}^{commit}`],
    { encoding: "utf8" },
  ).stdout.trim();
  // The same commit may be built again, to see that it gives the same.
  if (tagged !== "" && tagged !== commit) {
    throw new BangerError("already_exists", `version ${version} was released of ${tagged.slice(0, 8)}`, {
      hint: "a version is never used again: raise it in package.json",
    });
  }
}
