/** The operation ping. */
import { commit, version } from "../base/version.ts";
import type { Operation } from "./operation.ts";

export const ping: Operation<"ping", null> = {
  validate: () => null,
  do: async () => ({ version, commit, pid: process.pid }),
};
