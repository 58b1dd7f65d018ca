/**
 * The versions of tools that a repository pins outside of mise's own files, for mise to install in its VM. Only plain version
 * numbers count: of a range, an alias (`lts/*`, `stable`) or anything else nothing is made.
 */
import { hintFile, nodeEngine } from "./hint-files.ts";

/** As mise takes it: `tool@version`, of letters, digits and dots. */
export interface PinnedTool {
  tool: "go" | "node" | "python" | "rust";
  version: string;
  /** Where the repository says so. */
  file: string;
}

type Reader = (text: string) => string | undefined;

const number = "[0-9]{1,4}(?:\\.[0-9]{1,4}){0,2}";
/** The one line of a file that has nothing else. */
const alone = (prefix = ""): Reader => {
  const line = new RegExp(`^${prefix}(${number})$`);
  return (text) => line.exec(text.trim())?.[1];
};
const channel: Reader = (text) => new RegExp(`^channel\\s*=\\s*"(${number})"\\s*$`, "m").exec(text)?.[1];

/** Of each tool the first file that pins it. */
const sources: readonly { tool: PinnedTool["tool"]; file: string; read: Reader }[] = [
  {
    tool: "go",
    file: "go.mod",
    read: (text) =>
      new RegExp(`^toolchain go(${number})\\s*$`, "m").exec(text)?.[1] ??
      new RegExp(`^go (${number})\\s*$`, "m").exec(text)?.[1],
  },
  { tool: "node", file: ".nvmrc", read: alone("v?") },
  { tool: "node", file: ".node-version", read: alone("v?") },
  { tool: "node", file: "package.json", read: engine },
  { tool: "python", file: ".python-version", read: alone() },
  { tool: "rust", file: "rust-toolchain.toml", read: channel },
  { tool: "rust", file: "rust-toolchain", read: (text) => alone()(text) ?? channel(text) },
];

/** Of a file that is larger nobody makes a version by hand. */
export function pinnedTools(root: string): PinnedTool[] {
  const found: PinnedTool[] = [];
  for (const { tool, file, read } of sources) {
    if (found.some((pin) => pin.tool === tool)) continue;
    const text = hintFile(root, file);
    const version = text === undefined ? undefined : read(text);
    if (version !== undefined) found.push({ tool, version, file });
  }
  return found;
}

function engine(text: string): string | undefined {
  const wanted = nodeEngine(text);
  return wanted === undefined ? undefined : alone("=?v?")(wanted.replace(/\.x$/, ""));
}
