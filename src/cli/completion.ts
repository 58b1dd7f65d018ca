/** banger completion */
import { defineCommand } from "./command.ts";
import bash from "./completion/banger.bash" with { type: "text" };
import fish from "./completion/banger.fish" with { type: "text" };
import powershell from "./completion/banger.ps1" with { type: "text" };
import zsh from "./completion/banger.zsh" with { type: "text" };
import { oneOf, required } from "./option.ts";

const scripts = { bash, zsh, fish, powershell };
const shells = ["bash", "zsh", "fish", "powershell"] as const;

export const command = defineCommand({
  summary: "print a script that lets your shell complete banger's commands",
  details:
    "It completes commands, flags and their values, and the names of VMs, snapshots, images and kernels, which it asks the daemon for if one runs; it starts none. Where a path belongs, the shell completes files; nowhere else. The script asks the banger in your PATH, so it stays true when that is replaced. For bash: the file below is found by the package bash-completion; without that, source the script in ~/.bashrc. For zsh: the directory must be in fpath before compinit runs; or put the source line below it.",
  examples: [
    {
      command: "completion bash > ~/.local/share/bash-completion/completions/banger",
      note: "bash (make the directory first)",
    },
    { command: "completion bash >> ~/.bashrc", note: "bash without bash-completion" },
    {
      command: "completion zsh > ~/.zfunc/_banger",
      note: "zsh; in ~/.zshrc: fpath+=(~/.zfunc), then compinit",
    },
    { command: "completion fish > ~/.config/fish/completions/banger.fish", note: "fish" },
    {
      command: "completion powershell >> $PROFILE",
      note: "PowerShell",
    },
  ],
  args: {
    shell: required(
      { description: `${shells.join(", ")}` },
      oneOf(shells, `must be one of ${shells.join(", ")}`),
    ),
  },
  flags: {},
  run: async ({ shell }, ctx) => {
    ctx.out(scripts[shell].trimEnd());
    return undefined;
  },
});
