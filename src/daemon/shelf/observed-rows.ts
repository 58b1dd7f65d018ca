/** The rows of images and kernels, with somebody who hears of what is added and removed. */
import type { Artifact, ArtifactTable, State } from "../../state/state.ts";

type Change = `${"image" | "kernel"}.${"added" | "removed"}`;
export type OnChange = (change: Change, artifact: Artifact) => void;

export function observedState(state: State, onChange: OnChange): State {
  return {
    ...state,
    images: observedRows(state.images, "image", onChange),
    kernels: observedRows(state.kernels, "kernel", onChange),
  };
}

/** What is put once more as it is, because it was looked for, is no news. */
function observedRows(table: ArtifactTable, what: "image" | "kernel", onChange: OnChange): ArtifactTable {
  const named = (name: string) => table.list().find((row) => row.name === name);
  return {
    list: () => table.list(),
    put: (artifact) => {
      const before = named(artifact.name);
      table.put(artifact);
      if (before?.id !== artifact.id) onChange(`${what}.added`, artifact);
    },
    remove: (name) => {
      const before = named(name);
      table.remove(name);
      if (before !== undefined) onChange(`${what}.removed`, before);
    },
  };
}
