/** A workspace of 5,000 files / 50 MB on its way into a running guest: by banger, by tar over ssh, and as mere bytes. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { importWorkspace } from "../src/cli/run/import.ts";
import { openWorkspace } from "../src/cli/run/open-workspace.ts";
import { connect } from "../src/rpc/rpc.ts";
import { banger } from "./built.ts";
import type { Arm } from "./pairs.ts";
import { env, scratch } from "./world.ts";

const guest = "bench";

/** Makes the repository once; its tree is git-tracked whole, and packed. */
export function repository(): string {
  const repo = join(scratch, "repo");
  if (existsSync(repo)) return repo;
  mkdirSync(repo);
  for (let dir = 0; dir < 50; dir += 1) {
    mkdirSync(join(repo, `d${dir}`));
    for (let file = 0; file < 100; file += 1)
      writeFileSync(join(repo, `d${dir}`, `f${file}`), Buffer.alloc(10_000, `${dir} ${file}\n`));
  }
  const git = "git -c user.name=b -c user.email=b@b";
  execFileSync("sh", ["-c", `git init -q && git add -A && ${git} commit -qm b && git gc -q`], { cwd: repo });
  return repo;
}

function shell(script: string, tree: string): void {
  const { status, stderr } = spawnSync("sh", ["-c", script], {
    env: { ...env, BANGER: banger, TREE: tree, VM: guest },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
}

/** Each arm leaves the same tree in the guest, in a fresh directory; making that directory is not timed. */
export function workspaceArms(): { imported: Arm; overSsh: Arm; rawBytes: Arm } {
  const repo = repository();
  const timed = (name: string, run: () => Promise<void>): Arm => ({
    name,
    run: async () => {
      shell('"$BANGER" vm exec --guest-path / "$VM" -- sh -c "rm -rf /root/repo; sync"', repo);
      const started = performance.now();
      await run();
      return performance.now() - started;
    },
  });
  const bytes = Number(execFileSync("sh", ["-c", "tar -cf - . | wc -c"], { cwd: repo, encoding: "utf8" }));
  return {
    imported: timed("import", () => importOnce(repo)),
    overSsh: timed("tar | ssh tar", async () =>
      shell(
        'tar -C "$TREE" -cf - . | "$BANGER" vm ssh "$VM" -- "mkdir /root/repo && tar -C /root/repo -xf -"',
        repo,
      ),
    ),
    rawBytes: timed("raw bytes", async () =>
      shell(
        `head -c ${bytes} /dev/zero | "$BANGER" vm exec --guest-path / "$VM" -- sh -c "cat > /dev/null"`,
        repo,
      ),
    ),
  };
}

/** What vm run does, from reading the repository to the guest's last file. */
async function importOnce(repo: string): Promise<void> {
  const client = await connect(join(env.XDG_RUNTIME_DIR ?? "", "banger/bangerd.sock"));
  const { signal } = new AbortController();
  const source = await openWorkspace({ cwd: scratch, signal }, repo, {
    includeUntracked: false,
    include: [],
    branch: undefined,
    from: undefined,
    ...{ project: false, bootstrap: false },
  });
  try {
    await importWorkspace(client, guest, source, {
      signal,
      progress: { event: () => {}, note: () => {}, end: () => {} },
      now: () => performance.now(),
    });
  } finally {
    source.close();
    client.close();
  }
}
