/** The pages of the documentation, and which test runs which. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Page, parsePage } from "./blocks.ts";

const root = join(import.meta.dir, "../..");

/** Run by tests/e2e/docs-NAME.test.ts, each page after the one before it, on QEMU. */
export const userSessions = {
  start: ["README.md", "docs/getting-started.md"],
  work: ["docs/workspaces.md", "docs/files-and-ports.md", "docs/project-file.md", "docs/observing.md"],
  images: ["docs/image-catalog.md", "docs/kernel-catalog.md", "docs/oci-import.md"],
  more: ["docs/forks.md", "docs/advanced.md"],
} as const;

/** Run by tests/system/docs.test.ts, in the emulated host. */
export const hostPages = ["docs/system-mode.md", "docs/dns-routing.md", "docs/networking.md"];

/** Of the repository's root: README.md and all of docs/. */
export function pageNames(): string[] {
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  return ["README.md", ...docs.sort().map((name) => `docs/${name}`)];
}

/** Throws for what is not understood, with page and line. */
export function readPage(name: string): Page {
  try {
    return parsePage(readFileSync(join(root, name), "utf8"));
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`);
  }
}
