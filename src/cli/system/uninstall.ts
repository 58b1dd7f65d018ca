/** banger system uninstall */
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import { toggle } from "../flags.ts";
import { sudoLine } from "./sudo-line.ts";

const again = "sudo banger system uninstall --purge --yes";

export const command = defineCommand({
  summary: "stop and remove the services, and all that they have made",
  details:
    "VMs, images and caches stay for the next installation, unless --purge is given; the owner's own files stay in any case. Refused while VMs run.",
  examples: [
    { command: "system uninstall", note: "keep /var/lib/banger and /var/cache/banger (with sudo)" },
    { command: "system uninstall --purge", note: "and leave nothing behind (with sudo)" },
  ],
  args: {},
  flags: {
    purge: toggle("remove VMs, images and caches too; on a terminal it asks first"),
    yes: toggle("do not ask", "y"),
  },
  run: async ({ purge, yes }, ctx) => {
    const line = sudoLine(ctx, ["system", "uninstall", ...(purge ? ["--purge"] : [])]);
    const system = await ctx.system(line, ctx.note);
    // Who says so in a script means it; a person at a terminal may not think of the VMs.
    if (purge && !yes && ctx.tty.stdin) {
      const sure = await confirm(ctx, "remove the services, and all VMs, images and caches?", again);
      if (!sure) {
        ctx.note("nothing removed");
        return undefined;
      }
    }
    const { found, kept } = await system.uninstall({ purge });
    if (!found) ctx.note("the system services are not installed");
    else if (purge) ctx.note("removed: the services, and all VMs, images and caches");
    if (kept.length > 0) ctx.note(`kept: ${kept.join(", ")} (--purge removes them too)`);
    return undefined;
  },
});
