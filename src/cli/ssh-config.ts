/** banger ssh-config */
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";
import { userPaths } from "../config/paths.ts";
import { defineCommand } from "./command.ts";
import { toggle } from "./flags.ts";
import { configText } from "./ssh/config-text.ts";
import { includeLine, madeForBlock, withBlock, withoutBlock } from "./ssh/include-block.ts";
import { editFile } from "./ssh/replace-file.ts";

export const command = defineCommand({
  summary: "have plain ssh, scp, rsync and editors reach VMs as NAME.vm",
  details:
    "Writes ssh_config beside config.toml, and prints the line that has OpenSSH read it, for the top of ~/.ssh/config. With --install that line is put there, between two comments; with --uninstall these three lines are taken out, and ssh_config is removed; so is ~/.ssh/config, if it was made for them and has nothing else. Nothing else of your configuration is changed, and nothing of it without these flags. Call it again when banger has moved.",
  examples: [
    { command: "ssh-config", note: "the line to put into ~/.ssh/config" },
    { command: "ssh-config --install", note: "put it there; then: ssh calm-otter.vm" },
    { command: "ssh-config --uninstall", note: "take it out again" },
  ],
  args: {},
  flags: {
    install: toggle("put the line at the top of ~/.ssh/config"),
    uninstall: toggle("take it out"),
  },
  run: async ({ install, uninstall }, ctx) => {
    if (install && uninstall)
      throw new BangerError("bad_request", "--install and --uninstall are opposites: give one of them");
    const home = ctx.env.HOME;
    if (home === undefined || !home.startsWith("/"))
      throw new BangerError("precondition", "HOME is not an absolute path", { hint: "set HOME" });
    const own = join(home, ".ssh", "config");
    const file = join(dirname(userPaths(ctx.env).config), "ssh_config");
    if (uninstall) {
      const changed = await editFile(own, (before) => before && withoutOurs(before));
      // Nobody reads it any more: doctor would take it for asked for.
      if (changed) await rm(file, { force: true });
      ctx.err(changed ? `taken out of ${own}` : `nothing of banger's is in ${own}`);
      return undefined;
    }
    const client = await ctx.client();
    const access = await client.call("ssh.config", {}, { signal: ctx.signal });
    const text = Buffer.from(configText(access, ctx.self)).toString("latin1");
    await editFile(file, () => text);
    if (install) {
      const changed = await editFile(own, (before) => withBlock(before ?? "", file, before === undefined));
      ctx.err(changed ? `put at the top of ${own}; try: ssh NAME.vm` : `${own} has it already`);
      return undefined;
    }
    ctx.out(includeLine(file));
    ctx.err(`put this line at the top of ${own}, or have it put there: banger ssh-config --install`);
    return undefined;
  },
});

/** Undefined: nothing else is in it, and it was made for these lines. */
function withoutOurs(text: string): string | undefined {
  const rest = withoutBlock(text);
  return rest === "" && madeForBlock(text) ? undefined : rest;
}
