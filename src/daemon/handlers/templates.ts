/** template.* methods. */
import type { Handlers } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";

export function templateHandlers({ templates }: Parts): Pick<Handlers, "template.list" | "template.prune"> {
  return {
    "template.list": async () =>
      (await templates.list()).map(({ key, record, sizeBytes, createdAt, lastUsedAt }) => ({
        ...{ key, image: record.image ?? "", sizeBytes, createdAt, lastUsedAt },
        ...{ vcpu: Number(record.vcpu), memoryMiB: Number(record.memoryMiB) },
      })),
    "template.prune": async () => {
      const gone = await templates.fit(0);
      return { removed: gone.length, bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    },
  };
}
