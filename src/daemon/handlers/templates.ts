/** template.* methods. */
import type { Handlers } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";

export function templateHandlers({
  templates,
  images,
  vms,
  happenings,
}: Parts): Pick<Handlers, "template.list" | "template.prune"> {
  return {
    "template.list": async () => {
      const names = new Map((await images.listImages()).map(({ id, name }) => [id, name]));
      const listed = (await templates.list()).map(({ key, record, sizeBytes, createdAt, lastUsedAt }) => {
        const id = record.image ?? "";
        return {
          ...{ key, image: { id, name: names.get(id) ?? "" }, sizeBytes, createdAt, lastUsedAt },
          waiting: key === vms.spares.template,
          ...{ vcpu: Number(record.vcpu), memoryMiB: Number(record.memoryMiB) },
        };
      });
      return { templates: listed, coming: vms.maker.coming };
    },
    "template.prune": async () => {
      await vms.spares.dismiss();
      const gone = await templates.fit(0);
      for (const { key } of gone)
        happenings.add("template.removed", { id: key, name: "" }, { reason: "asked" });
      return { removed: gone.length, bytes: gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
    },
  };
}
