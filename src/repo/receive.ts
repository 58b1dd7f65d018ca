/**
 * What a guest has made comes to the host: a pack of objects, and which of them are its commit and its work tree.
 *
 * The guest is hostile. Its objects go into the private store, where they are checked (index-pack --strict: every object is
 * well-formed, every name in a tree is one that a checkout may write, on any file system) and their history must be whole. Only
 * what is then wanted goes on into the repository, in a pack that git makes here.
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../base/base.ts";
import { aside, oneName, treeOf, updateIndex } from "./baseline.ts";
import { type Change, gitlink, parseRawDiff, strange } from "./changes.ts";
import { runGit, startGit } from "./git.ts";
import type { Repository } from "./open.ts";

export interface GuestWork {
  /** The guest's HEAD. */
  head: string;
  /** Commits of it that the host does not have. */
  commits: number;
  /** Its work tree as it is, without repositories inside. */
  tree: string;
  /** Whether the work tree is another than the one of HEAD. */
  uncommitted: boolean;
  /** The commit that stands for what was copied into the guest. */
  prepared: string;
  /** From what was copied to what is there. */
  changes: Change[];
  /** Repositories inside, which stay behind. */
  nested: Buffer[];
}

export const mostPackBytes = 2 * 1024 ** 3;
const mostMemoryBytes = 1024 ** 3;
/** Of the changed files, unpacked. */
const mostContentBytes = 4 * 1024 ** 3;
const headerBytes = 4096;

/** Reads "banger-pull 1 HEAD TREE PREPARED" and a pack. Throws guest_failed for what is not sound. */
export async function receiveWork(
  repo: Repository,
  output: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<GuestWork> {
  const { line, rest } = await splitHeader(output);
  const digits = repo.inside.settings.hashBytes * 2;
  const names = new RegExp(
    `^banger-pull 1 ([0-9a-f]{${digits}}) ([0-9a-f]{${digits}}) ([0-9a-f]{${digits}})$`,
  );
  const [, head, tree, prepared] = names.exec(line) ?? [];
  if (head === undefined || tree === undefined || prepared === undefined)
    throw strange("something else than its commits");
  await indexPack(repo, rest, signal);
  await checkWhole(repo, { head, tree, prepared }, signal);
  const { place } = repo.inside;
  const diff = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames"];
  const all = parseRawDiff((await runGit(place, [...diff, prepared, tree], { signal })).stdout);
  const changes = all.filter(({ before, after }) => before?.mode !== gitlink && after?.mode !== gitlink);
  const nested = all.filter(({ after }) => after?.mode === gitlink).map(({ path }) => path);
  await checkSize(repo, changes, signal);
  const own = nested.length === 0 ? tree : await withoutNested(repo, tree, nested, signal);
  const headTree = await treeOf(repo, head, signal);
  const count = await runGit(place, ["rev-list", "--count", head, "--not", "--all"], { signal });
  const commits = Number(count.stdout.toString("latin1"));
  return { head, commits, tree: own, uncommitted: own !== headTree, prepared, changes, nested };
}

/** The first line, and what comes after it. */
async function splitHeader(
  output: AsyncIterable<Uint8Array>,
): Promise<{ line: string; rest: AsyncGenerator<Buffer> }> {
  const chunks = output[Symbol.asyncIterator]();
  let have: Buffer = Buffer.alloc(0);
  let end = -1;
  while (end < 0) {
    const next = await chunks.next();
    if (next.done === true || have.length > headerBytes) throw strange("something else than its commits");
    have = Buffer.concat([have, next.value]);
    end = have.indexOf(10);
  }
  const first = have.subarray(end + 1);
  async function* rest(): AsyncGenerator<Buffer> {
    yield first;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      yield Buffer.from(next.value);
  }
  return { line: have.toString("latin1", 0, end), rest: rest() };
}

async function indexPack(repo: Repository, pack: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
  const args = ["index-pack", "--stdin", "--strict", "--threads=1", `--max-input-size=${mostPackBytes}`];
  const git = startGit(repo.inside.place, args, {
    signal,
    ...{ maxMemoryBytes: mostMemoryBytes, slowInput: true },
  });
  git.process.stdout?.resume();
  const { stdin } = git.process;
  if (stdin === null) throw new BangerError("internal", "git was started without pipes");
  let broken: unknown;
  // Git that has seen enough closes its input: its status says why.
  const fed = pipeline(
    guard(pack, (error) => {
      broken = error;
    }),
    stdin,
  ).catch(() => {});
  try {
    await git.ended;
  } catch (error) {
    throw broken ?? unsound(error);
  } finally {
    git.fail(new BangerError("cancelled", "cancelled"));
    await fed;
  }
  if (broken !== undefined) throw broken;
}

/** The same chunks; remembers that the source failed, which ends the copy like its end would. */
function guard(source: AsyncIterable<Buffer>, onError: (error: unknown) => void): Readable {
  async function* chunks(): AsyncGenerator<Buffer> {
    try {
      yield* source;
    } catch (error) {
      onError(error);
      throw error;
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}

async function checkWhole(
  repo: Repository,
  names: { head: string; tree: string; prepared: string },
  signal?: AbortSignal,
): Promise<void> {
  const { head, tree, prepared } = names;
  const input = Buffer.from(`${head}\n${tree}\n${prepared}\n`);
  const { place } = repo.inside;
  const limits = { signal, input, maxMemoryBytes: mostMemoryBytes };
  try {
    await runGit(place, ["rev-list", "--objects", "--quiet", "--stdin", "--not", "--all"], limits);
    const kinds = await runGit(place, ["cat-file", "--batch-check=%(objecttype)"], limits);
    if (kinds.stdout.toString("latin1") !== "commit\ntree\ncommit\n") throw strange("names of other objects");
  } catch (error) {
    throw unsound(error);
  }
}

async function checkSize(repo: Repository, changes: readonly Change[], signal?: AbortSignal): Promise<void> {
  const names = changes.flatMap(({ after }) => (after === undefined ? [] : [`${after.oid}\n`]));
  const input = Buffer.from(names.join(""));
  const args = ["cat-file", "--batch-check=%(objectsize)"];
  const { stdout } = await runGit(repo.inside.place, args, { signal, input });
  let bytes = 0;
  for (const line of stdout.toString("latin1").split("\n")) bytes += Number(line);
  if (bytes <= mostContentBytes) return;
  throw strange(`changes of ${bytes} bytes, which is more than banger takes (${mostContentBytes})`);
}

/** The tree without what are repositories of their own: their commits are not here, so their entries would lead nowhere. */
async function withoutNested(
  repo: Repository,
  tree: string,
  nested: readonly Buffer[],
  signal?: AbortSignal,
): Promise<string> {
  const place = aside(repo, "index.guest");
  await runGit(place, ["read-tree", tree], { signal });
  await updateIndex(place, { present: [], gone: nested }, signal);
  return oneName(await runGit(place, ["write-tree"], { signal }));
}

function unsound(error: unknown): BangerError {
  if (!(error instanceof BangerError) || error.code !== "bad_repository")
    return error instanceof BangerError
      ? error
      : new BangerError("internal", String(error), { cause: error });
  return new BangerError("guest_failed", `what the guest sent is not sound: ${error.message}`, {
    hint: "nothing of it was taken; look at it there: git fsck",
    cause: error,
  });
}
