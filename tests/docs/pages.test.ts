/** What the documentation says is so, as far as that can be known without running it. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { groups, topLevel } from "../../src/cli/commands.ts";
import { parseConfig } from "../../src/config/config.ts";
import { adviceFor } from "../../src/doctor/advice.ts";
import { checks } from "../../src/doctor/checks.ts";
import { parseBangerToml } from "../../src/project/banger-toml.ts";
import { type Block, consoleCommands } from "./blocks.ts";
import { flagsOf, refusal } from "./command-line.ts";
import { hostPages, pageNames, readPage, userSessions } from "./pages.ts";
import { simpleCommands } from "./shell-words.ts";

const root = join(import.meta.dir, "../..");
const names = pageNames();
const pages = names.map((name) => ({ name, ...readPage(name) }));
/** Every block, with where it is. */
const blocks = pages.flatMap(({ name, blocks }) =>
  blocks.map((block) => ({ at: `${name}:${block.line}`, page: name, block })),
);
const code = pages.flatMap(({ name, code }) =>
  code.map(({ line, text }) => ({ at: `${name}:${line}`, page: name, text })),
);

function commandsOf({ language, text, before }: Block): string[][] {
  const shown =
    language === "console"
      ? consoleCommands(text)
          .map(({ command }) => command)
          .join("\n")
      : text;
  return simpleCommands(`${before}\n${shown}`);
}

/** The words after banger's own name; undefined: it is not banger. */
const ofBanger = (words: readonly string[]) =>
  /^(\.\/|dist\/|.*\/)?banger$/.test(words[0] ?? "") ? words.slice(1) : undefined;

describe("a block of commands", () => {
  const withCommands = blocks.filter(({ block }) => block.fate !== undefined);

  test("has only commands and flags that banger has", async () => {
    const refused: string[] = [];
    for (const { at, block } of withCommands)
      for (const words of commandsOf(block)) {
        const problem = await refusal(ofBanger(words) ?? ["version"]);
        if (problem !== undefined) refused.push(`${at}: ${words.join(" ")}: ${problem}`);
      }
    expect(refused).toEqual([]);
  });

  test("is on a page that the test of its fate takes", () => {
    const user: readonly string[] = Object.values(userSessions).flat();
    const nobodys = withCommands.filter(({ page, block }) => {
      if (block.fate?.kind === "run" || block.fate?.kind === "interrupt") return !user.includes(page);
      if (block.fate?.kind === "elsewhere") return !existsSync(join(root, block.fate.file));
      return block.fate?.kind === "host" && !hostPages.includes(page);
    });
    expect(nobodys.map(({ at }) => at)).toEqual([]);
    for (const page of [...user, ...hostPages]) expect(names).toContain(page);
  });
});

test("commands in a sentence are banger's", async () => {
  /** What begins like one and is none. */
  const others = ["banger egress routing"];
  const refused: string[] = [];
  for (const { at, text } of code) {
    const [first = "", second = ""] = text.split(" ");
    const grouped = Object.hasOwn(groups, first) && /^[a-z]/.test(second);
    if (others.includes(text) || !(grouped || /(^|[ /])banger [a-z]/.test(text))) continue;
    for (const words of simpleCommands(text)) {
      const problem = await refusal(grouped ? words : (ofBanger(words) ?? ["version"]), true);
      if (problem !== undefined) refused.push(`${at}: ${text}: ${problem}`);
    }
  }
  expect(refused).toEqual([]);
});

test("flags in a sentence are of some command", async () => {
  /** Pages that speak of other programs' flags: the agent's, install.sh's, those of scripts and tests. */
  const others = ["agent-protocol", "installer", "release-process", "system-tests", "performance"];
  const elsewhere = others.map((name) => `docs/${name}.md`);
  /** Of publish-image.ts and publish-kernel.ts, of docker, of Bun; of no command at all, as the page says. */
  const foreign = ["--url", "--catalog", "--level", "--description", "--restart", "--mode", "--help"];
  const own: string[] = [];
  const loads = [...Object.values(groups).flatMap(({ commands }) => Object.values(commands))];
  for (const load of [...loads, ...Object.values(topLevel)]) own.push(...flagsOf((await load()).command));
  const strange = code.flatMap(({ at, page, text }) => {
    const flag = /^--[a-z][a-z0-9-]*/.exec(text)?.[0];
    if (flag === undefined || elsewhere.includes(page)) return [];
    return own.includes(flag) || foreign.includes(flag) ? [] : [`${at}: ${text}`];
  });
  expect(strange).toEqual([]);
});

test("scripts that pages name are in package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const all = [...code, ...blocks.map(({ at, block }) => ({ at, text: block.text }))];
  const unknown = all.flatMap(({ at, text }) =>
    [...text.matchAll(/npm run ([a-z0-9:-]+)/g)].flatMap(([, name = ""]) =>
      Object.hasOwn(scripts, name) ? [] : [`${at}: npm run ${name}`],
    ),
  );
  expect(unknown).toEqual([]);
});

test("settings that pages show are settings: of config.toml, or of banger.toml", () => {
  const wrong = blocks.flatMap(({ at, block }) => {
    if (block.language === "json") {
      JSON.parse(block.text);
      return [];
    }
    if (block.language !== "toml") return [];
    // A key of a catalog is left out, and no key without it.
    const text = block.text
      .replaceAll(/-----BEGIN[^"]*-----\n/g, "/etc/banger/catalog.pem")
      .replaceAll('"""', '"')
      .replaceAll('"\n/', '"/');
    const refused = [parseConfig, parseBangerToml].flatMap((parse) => {
      try {
        parse(text, at);
        return [];
      } catch (error) {
        return [String(error)];
      }
    });
    return refused.length < 2 ? [] : [`${at}: ${refused.join(" or ")}`];
  });
  expect(wrong).toEqual([]);
});

test("links lead to something", () => {
  const broken = pages.flatMap(({ name, links }) =>
    links.flatMap(({ line, text }) => {
      if (/^https?:/.test(text)) return [];
      const [path = "", anchor] = text.split("#");
      const target = path === "" ? name : normalize(join(dirname(name), path));
      if (!existsSync(join(root, target))) return [`${name}:${line}: ${text}`];
      const known = pages.find((page) => page.name === target)?.anchors ?? [];
      return anchor === undefined || known.includes(anchor) ? [] : [`${name}:${line}: ${text}`];
    }),
  );
  expect(broken).toEqual([]);
});

test("the README leads to every page", () => {
  const listed = pages.find(({ name }) => name === "README.md")?.links.map(({ text }) => text) ?? [];
  expect(names.filter((name) => name !== "README.md" && !listed.includes(name))).toEqual([]);
});

test("the README's packages are those that doctor asks for", () => {
  const tools = ["qemu", "e2fsprogs", "git", "ssh", "mmdebstrap", "newuidmap"] as const;
  const [shown = ""] = blocks.flatMap(({ page, block }) =>
    page === "README.md" && block.text.startsWith("# Debian, Ubuntu") ? [block.text] : [],
  );
  const lines = simpleCommands(shown).map((words) => words.join(" "));
  for (const [family, more] of [
    ["debian", []],
    ["ubuntu", []],
    ["fedora", ["apt", "keyring"]],
    ["arch", ["apt", "keyring"]],
  ] as const) {
    const advice = adviceFor({ family, name: family }, true).install(...tools, ...more);
    for (const line of advice) expect(lines).toContain(line);
  }
});

test("troubleshooting has every check of doctor, with what is seen when it fails", () => {
  const { anchors, links } = readPage("docs/troubleshooting.md");
  const lacking = checks.filter(
    ({ id, cure }) => !anchors.includes(id) || !links.some(({ text }) => text === `#${id}`) || cure === "",
  );
  expect(lacking.map(({ id }) => id)).toEqual([]);
});
