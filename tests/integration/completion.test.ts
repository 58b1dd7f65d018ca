/** `banger completion`, in the real shells. What they complete is typed at a PTY; what arrives at the program is looked at. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bed, makeBed, openShell, type Shell } from "./completion-fixture.ts";

const hostile = "zz $(touch pwned)'`touch pwned`\"; touch pwned;:=";
const bashCompletion = "/usr/share/bash-completion/bash_completion";

/** How each shell is started, and what it reads before it is typed at. */
const shells: Record<string, { argv: string[]; first(bed: Bed): string[] }> = {
  bash: { argv: ["bash", "--norc", "--noprofile", "-i"], first: (bed) => [`source ${bed.script("bash")}`] },
  "bash with bash-completion": {
    argv: ["bash", "--norc", "--noprofile", "-i"],
    first: (bed) => {
      // Where the recipe puts it: found when banger is first completed.
      writeFileSync(
        join(bed.dir, "data/bash-completion/completions/banger"),
        Bun.spawnSync(["cat", bed.script("bash")]).stdout,
      );
      return [`source ${bashCompletion}`];
    },
  },
  zsh: {
    argv: ["zsh", "-f", "-i"],
    first: (bed) => ["PS1='$ '; autoload -U compinit; compinit -D -u", `source ${bed.script("zsh")}`],
  },
  "zsh by fpath": {
    argv: ["zsh", "-f", "-i"],
    first: (bed) => {
      mkdirSync(join(bed.dir, "zfunc"), { recursive: true });
      writeFileSync(join(bed.dir, "zfunc/_banger"), Bun.spawnSync(["cat", bed.script("zsh")]).stdout);
      return ["PS1='$ '; fpath+=($HOME/zfunc); autoload -U compinit; compinit -D -u"];
    },
  },
  fish: { argv: ["fish", "-N"], first: (bed) => [`source ${bed.script("fish")}`] },
};

describe.each(Object.entries(shells))("in %s", (name, { argv, first }) => {
  let bed: Bed;
  let shell: Shell;
  beforeAll(async () => {
    bed = makeBed();
    shell = await openShell(bed, argv, first(bed));
  }, 60_000);
  afterAll(async () => {
    await shell.end();
    bed.remove();
  });

  test("commands, flags, values and names are completed", async () => {
    expect(await shell.words("banger vm sho\t plain\t")).toEqual(["vm", "show", "plain-kestrel"]);
    expect(await shell.words("banger vm kill --sig\t K\t calm-o\t")).toEqual([
      "vm",
      "kill",
      "--signal",
      "KILL",
      "calm-otter",
    ]);
    expect(await shell.words("banger vm snapshot rest\t calm-otter of\t")).toEqual([
      "vm",
      "snapshot",
      "restore",
      "calm-otter",
      "of-calm-otter",
    ]);
  });

  test("a value behind = is completed, and what is given already is not offered again", async () => {
    expect(await shell.words("banger vm run --image=deb\t")).toEqual([
      "vm",
      "run",
      "--image=debian-bookworm",
    ]);
    expect(await shell.words("banger vm stop calm-otter calm\t")).toEqual([
      "vm",
      "stop",
      "calm-otter",
      "calm-heron",
    ]);
  });

  test("a name that the shell would obey arrives as a name, and one that the terminal would obey is not shown", async () => {
    expect(await shell.words("banger vm run --image zz\t")).toEqual(["vm", "run", "--image", hostile]);
    expect(existsSync(join(bed.dir, "work/pwned"))).toBe(false);
    expect(await shell.words("banger image show es\t")).toEqual(["image", "show", "es"]);
  });

  test("files are completed where a path belongs, and nowhere else", async () => {
    expect(await shell.words("banger kernel import k --from a\t")).toEqual([
      "kernel",
      "import",
      "k",
      "--from",
      "a file",
    ]);
    expect(await shell.words("banger kernel import k --from=a\t")).toEqual([
      "kernel",
      "import",
      "k",
      "--from=a file",
    ]);
    // zsh takes the slash away again when the line is accepted.
    const [, , path] = await shell.words("banger vm run Sub\t");
    expect(path).toMatch(/^Sub dir\/?$/);
    expect(await shell.words("banger vm run a\t")).toEqual(["vm", "run", "a"]);
    expect(await shell.words("banger vm logs Sub\t")).toEqual(["vm", "logs", "Sub"]);
    expect(await shell.words("banger vm run -- Sub\t")).toEqual(["vm", "run", "--", "Sub"]);
  });

  test("VMs and files are completed where either belongs, and a VM's name is gone on with", async () => {
    expect(await shell.words("banger vm cp plain\t/etc/hosts a\t")).toEqual([
      "vm",
      "cp",
      "plain-kestrel:/etc/hosts",
      "a file",
    ]);
    expect(await shell.words("banger vm cp plain-kestrel:a\t .")).toEqual([
      "vm",
      "cp",
      "plain-kestrel:a",
      ".",
    ]);
  });

  if (!name.startsWith("bash"))
    test("what a word means stands beside it", () =>
      shell.shows("banger image cache --\t\t", "only say how much"));
});

describe("by a daemon of one's own", () => {
  const main = join(import.meta.dir, "../../src/main.ts");
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "banger-completion-"));
    mkdirSync(join(dir, "banger"), { mode: 0o700 });
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const banger = async (...words: string[]) => {
    const env = { PATH: process.env.PATH ?? "", HOME: dir, XDG_RUNTIME_DIR: dir, TMPDIR: dir };
    const all = { ...env, BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" };
    const child = Bun.spawn([process.execPath, main, ...words], { env: all, stdout: "pipe", stderr: "pipe" });
    return [await child.exited, await child.stdout.text(), await child.stderr.text()];
  };
  const complete = (...words: string[]) => banger("internal", "complete", "--", ...words);

  /** On a busy machine an answer may come later than a person waits for it. */
  const offered = async (...words: string[]) => {
    for (let tries = 0; ; tries += 1) {
      const [, out = ""] = await complete(...words);
      if (tries === 19 || out !== "nothing\n") return out;
    }
  };

  test("no name is offered, nothing is said, and none is started", async () => {
    expect(await complete("vm", "show", "")).toEqual([0, "nothing\n", ""]);
    expect(await complete("vm", "nonsense", "--x", "")).toEqual([0, "nothing\n", ""]);
    expect(readdirSync(dir).filter((name) => !name.startsWith(".bun-"))).toEqual(["banger"]);
  });

  test("one that hangs is given up on", async () => {
    const server = createServer(() => {}).listen(join(dir, "banger/bangerd.sock"));
    try {
      expect(await complete("vm", "show", "")).toEqual([0, "nothing\n", ""]);
    } finally {
      server.close();
    }
  });

  test("one that runs is asked, for what its catalog has, too", async () => {
    expect((await banger("vm", "list"))[0]).toBe(0);
    try {
      expect((await complete("image", "show", ""))[1]).toBe("nothing\n");
      expect(await offered("image", "pull", "")).toMatch(/^nothing\n(.+\n)*debian-bookworm\t/);
      expect(await offered("kernel", "pull", "")).toMatch(/^nothing\n(.+\n)*debian-cloud-/);
    } finally {
      await banger("daemon", "stop");
    }
  });
});

const pwsh = Bun.which("pwsh");
if (pwsh === null)
  process.stdout.write(
    "completion: PowerShell's script is left out, there is no pwsh here (Debian has none)\n",
  );

test.if(pwsh !== null)("the script for PowerShell is one", async () => {
  const bed = makeBed();
  try {
    const parse = `$errors = $null; [System.Management.Automation.Language.Parser]::ParseFile('${bed.script("powershell")}', [ref]$null, [ref]$errors) | Out-Null; $errors.Count`;
    const child = Bun.spawn([pwsh ?? "", "-NoProfile", "-Command", parse], { stdout: "pipe" });
    expect((await child.stdout.text()).trim()).toBe("0");
  } finally {
    bed.remove();
  }
});
