/** This checkout as it stands, as the one commit of repositories that releases are made in: with a key of the test's own. */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { keyPath } from "../../scripts/release/signing.ts";

const root = join(import.meta.dir, "../..");
/** The commit's, in seconds. */
export const epoch = 1_790_000_000;

export interface Checkout {
  dir: string;
  git(...args: string[]): string;
  /** Writes the files, where a text is undefined removes one, and commits that. */
  commit(files: Record<string, string | undefined>): void;
  release(...args: string[]): Promise<{ status: number; out: string; err: string }>;
}

export interface ReleaseBed {
  dir: string;
  /** PEM files. */
  privateKey: string;
  publicKey: string;
  version: string;
  first: Checkout;
  /** Of the same commit, at another path. */
  second: Checkout;
  end(): void;
}

export function releaseBed(): ReleaseBed {
  const dir = mkdtempSync(join(tmpdir(), "banger-release-test-"));
  const [privateKey, publicKey] = [join(dir, "key.pem"), join(dir, "key.pub")];
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", privateKey]);
  execFileSync("openssl", ["ec", "-in", privateKey, "-pubout", "-out", publicKey], { stdio: "ignore" });
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const first = checkout(join(dir, "one"));
  const files = execFileSync("git", ["-C", root, "ls-files", "-z", "-co", "--exclude-standard"]).toString();
  // What is deleted and not committed yet is listed, too.
  for (const name of files.split("\0").filter((one) => one !== "" && Bun.file(join(root, one)).size > 0))
    cpSync(join(root, name), join(first.dir, name), { verbatimSymlinks: true });
  first.git("init", "--quiet", "--initial-branch=main");
  setUp(first);
  first.commit({
    [keyPath]: readFileSync(publicKey, "utf8"),
    "CHANGELOG.md": `# Changelog\n\n## ${version}\n`,
    "scripts/install.sh":
      "#!/bin/bash\nbase='@BASE_URL@'\nkey='@PUBLIC_KEY@'\necho \"$base\"\necho \"$key\"\n",
  });
  const second = checkout(join(dir, "another place", "with a longer name"));
  second.git("clone", "--quiet", first.dir, second.dir);
  setUp(second);
  return {
    ...{ dir, privateKey, publicKey, version, first, second },
    end: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** As after set-up: for the script alone; what is built gets its own. */
function setUp({ dir }: Checkout): void {
  writeFileSync(join(dir, ".git/info/exclude"), "/node_modules\n");
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  mkdirSync(join(dir, "build"));
  symlinkSync(join(root, "build/native"), join(dir, "build/native"));
}

function checkout(dir: string): Checkout {
  mkdirSync(dir, { recursive: true });
  const who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
  const date = `${epoch} +0000`;
  const git = (...args: string[]) =>
    execFileSync("git", [...who, ...args], {
      ...{ cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      env: { ...process.env, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date },
    });
  return {
    ...{ dir, git },
    commit: (files) => {
      for (const [name, text] of Object.entries(files)) {
        if (text === undefined) rmSync(join(dir, name));
        else {
          mkdirSync(dirname(join(dir, name)), { recursive: true });
          writeFileSync(join(dir, name), text);
        }
      }
      git("add", "--all");
      git("commit", "--quiet", "--message", "a release");
    },
    release: async (...args) => {
      const child = spawn(process.execPath, ["scripts/release.ts", ...args], { cwd: dir });
      let [out, err] = ["", ""];
      child.stdout.on("data", (chunk) => {
        out += chunk;
      });
      child.stderr.on("data", (chunk) => {
        err += chunk;
      });
      const status = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? 1)));
      return { status, out, err };
    },
  };
}
