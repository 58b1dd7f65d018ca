/** Where jails are made: on the state's file system, with device nodes, and root's. */
import { lstat, stat } from "node:fs/promises";
import { systemPlaces } from "../../host/host.ts";
import { type FileSystem, fileSystemOf } from "../../sys/sys.ts";
import type { Place } from "../place.ts";
import { changeable, lookAtTrusted } from "./services.ts";

export interface JailFacts {
  path: string;
  exists: boolean;
  sameFileSystem: boolean;
  fileSystem: FileSystem | undefined;
  /** Why others than root could change it. */
  problem: string | undefined;
}

export async function lookAtJails({ paths }: Place): Promise<JailFacts> {
  const { config } = await lookAtTrusted();
  const path = config.jailer_chroot_base ?? systemPlaces().jail;
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined)
    return { path, exists: false, sameFileSystem: false, fileSystem: undefined, problem: undefined };
  const [state, fileSystem] = await Promise.all([stat(paths.state), fileSystemOf(path)]);
  return {
    ...{ path, exists: true, fileSystem },
    sameFileSystem: state.dev === found.dev,
    problem: changeable(path, found),
  };
}
