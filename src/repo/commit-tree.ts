/** The content of a commit, straight from the objects: no checkout, so no filter and no hook. */
import { BangerError } from "../base/base.ts";
import { runGit, startGit } from "./git.ts";
import { checkWorkspacePath } from "./index-file.ts";
import type { WorkspaceFile } from "./list.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";

export interface CommitFile extends WorkspaceFile {
  /** As in an index: 0o100644, 0o100755 or 0o120000. */
  mode: number;
  oid: Buffer;
}

/** The commit that a revision names, in hex. Throws bad_request when it names none. */
export async function resolveCommit(
  repo: Repository,
  revision: string,
  signal?: AbortSignal,
): Promise<string> {
  const shown = printable(Buffer.from(revision));
  const unknown = new BangerError("bad_request", `${shown} is no commit of ${repo.root}`, {
    hint: "name a branch, a tag or a commit; list them with: git branch -a; git tag",
  });
  if (revision === "" || revision.includes("\0")) throw unknown;
  if (revision === "HEAD") return repo.head;
  const { stdout, status } = await runGit(
    repo.inside.place,
    ["rev-parse", "--verify", "--quiet", "--end-of-options", `${revision}^{commit}`],
    { signal, okStatuses: [1, 128] },
  );
  const oid = stdout.toString("latin1").trim();
  if (status !== 0 || oid.length !== repo.head.length) throw unknown;
  return oid;
}

/** A commit's files, sorted by bytes. Throws bad_repository for submodules and for names that no checkout would take. */
export async function listCommit(
  repo: Repository,
  commit: string,
  signal?: AbortSignal,
): Promise<CommitFile[]> {
  const { stdout } = await runGit(repo.inside.place, ["ls-tree", "-r", "-z", "-l", "--full-tree", commit], {
    signal,
  });
  const files: CommitFile[] = [];
  const names = new Set<string>();
  let start = 0;
  for (let end = stdout.indexOf(0); end >= 0; end = stdout.indexOf(0, start)) {
    const tab = stdout.indexOf(9, start);
    const path = stdout.subarray(tab + 1, end);
    const [mode = "", type, oid = "", size] = stdout.toString("latin1", start, tab).split(/ +/);
    start = end + 1;
    const shown = printable(path);
    if (type === "commit") {
      throw new BangerError(
        "bad_repository",
        `the commit ${commit.slice(0, 12)} has a submodule (${shown})`,
        {
          hint: "banger does not copy submodules",
        },
      );
    }
    checkWorkspacePath(path);
    const key = path.toString("latin1");
    if (names.has(key) || !/^[0-9]+$/.test(size ?? "")) throw strange(commit, shown);
    names.add(key);
    const symlink = mode === "120000";
    const executable = !symlink && (Number.parseInt(mode, 8) & 0o100) !== 0;
    files.push({
      path,
      kind: symlink ? "symlink" : "file",
      executable,
      sizeBytes: Number(size),
      mode: symlink ? 0o120000 : executable ? 0o100755 : 0o100644,
      oid: Buffer.from(oid, "hex"),
    });
  }
  for (const { path } of files) {
    for (let slash = path.indexOf(0x2f); slash >= 0; slash = path.indexOf(0x2f, slash + 1)) {
      if (names.has(path.toString("latin1", 0, slash))) throw strange(commit, printable(path));
    }
  }
  return files.sort((a, b) => a.path.compare(b.path));
}

/** Contents of files in their order, in pieces; the last piece of each file comes with `last`. Constant memory. */
export async function* readBlobs(
  repo: Repository,
  files: readonly CommitFile[],
  signal?: AbortSignal,
): AsyncGenerator<{ file: CommitFile; piece: Buffer; last: boolean }> {
  const git = startGit(repo.inside.place, ["cat-file", "--batch", "--buffer"], { signal });
  try {
    const { stdin, stdout } = git.process;
    if (stdin === null || stdout === null) throw new BangerError("internal", "git was started without pipes");
    stdin.end(files.map((file) => `${file.oid.toString("hex")}\n`).join(""));
    const source = new ByteSource(stdout[Symbol.asyncIterator]());
    for (const file of files) {
      const answer = await source.line();
      if (answer !== `${file.oid.toString("hex")} blob ${file.sizeBytes}`) {
        throw new BangerError("bad_repository", `the content of ${printable(file.path)} is missing`, {
          hint: "check the repository with: git fsck",
        });
      }
      let left = file.sizeBytes;
      if (left === 0) yield { file, piece: Buffer.alloc(0), last: true };
      while (left > 0) {
        const piece = await source.take(left);
        left -= piece.length;
        yield { file, piece, last: left === 0 };
      }
      await source.take(1);
    }
    // To its very end: a process whose output has not been read to the end is never reported as closed.
    await source.end();
    await git.ended;
  } finally {
    git.fail(new BangerError("cancelled", "cancelled"));
  }
}

class ByteSource {
  #rest: Buffer = Buffer.alloc(0);
  constructor(readonly from: AsyncIterator<Buffer>) {}

  /** At most `limit` bytes, at least one. */
  async take(limit: number): Promise<Buffer> {
    while (this.#rest.length === 0) await this.#more();
    const piece = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Throws when there is more. */
  async end(): Promise<void> {
    if (this.#rest.length > 0 || (await this.from.next()).done !== true)
      throw new BangerError("operation_failed", "git cat-file sent more than it was asked for");
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10);
      if (end >= 0) {
        const line = this.#rest.toString("latin1", 0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      if (this.#rest.length > 4096) throw new BangerError("operation_failed", "git cat-file sent no header");
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const next = await this.from.next();
    if (next.done === true)
      throw new BangerError("bad_repository", "git ended before it had sent every file");
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
  }
}

function strange(commit: string, shown: string): BangerError {
  return new BangerError(
    "bad_repository",
    `the commit ${commit.slice(0, 12)} has an entry that no checkout would take: ${shown}`,
    {
      hint: "check the repository with: git fsck",
    },
  );
}
