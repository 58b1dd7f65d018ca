/** What vm run needs to go well: a daemon, a guest, a repository. Only for tests. */
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { chunksOf } from "../guest/streams.ts";
import type { WorkspaceSource } from "../run/workspace.ts";
import { bytePair } from "./byte-pair.ts";
import { FakeDaemon, type FakeHandlers, fakeDefaults, fakeVm } from "./fake-daemon.ts";
import { fakeGuest } from "./fake-guest.ts";

export const vm = fakeVm("calm-otter");
export const workspace = { guestPath: "/root/repo", hostPath: "/work/repo", head: "a".repeat(40) };

/** A daemon on which everything goes well, unless `change` says otherwise; the guest runs `status`. */
export function daemonThat(change: FakeHandlers = {}, status = 0): FakeDaemon {
  const daemon: FakeDaemon = new FakeDaemon({
    "config.defaults": () => fakeDefaults,
    "vm.create": (_params, { emit }) => {
      emit({ kind: "reserved", vm });
      return vm;
    },
    "vm.show": () => vm,
    "vm.delete": () => ({}),
    "workspace.import": async (_params, { emit }) => {
      const [near, far] = bytePair();
      emit({ kind: "tickets", stdio: daemon.ticket(near) });
      const tar = await text(chunksOf(far));
      return { files: 1, bytes: tar.length };
    },
    ...fakeGuest(
      () => daemon,
      async ({ stdio, argv }) => {
        stdio.write(`ran ${argv.join(" ")}\n`);
        return status;
      },
    ),
    ...change,
  });
  return daemon;
}

export function source(change: Partial<WorkspaceSource> = {}): () => Promise<WorkspaceSource> {
  return async () => {
    const made: WorkspaceSource = {
      workspace,
      ...{ notices: [], missing: [] },
      ...{ project: undefined, toolFiles: [], pinned: [] },
      tree: async () => "b".repeat(40),
      replace: async () => ({ lost: [], removals: Buffer.alloc(0) }),
      dryRun: () => ["100644 README.md"],
      tar: Readable.from([Buffer.from("tar bytes")]),
      close: () => void made.tar.destroy(),
      ...change,
    };
    return made;
  };
}
