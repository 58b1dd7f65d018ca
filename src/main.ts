/** Who am I? One executable, four personalities: by the name it was called by, else by its first word. */
import { basename } from "node:path";
import { versionLine } from "./base/version.ts";

// The invoked name is only in process.argv0: in a compiled executable argv[0] is always "bun".
const called = basename(process.argv0);
const words = process.argv.slice(2);
const personality = ["bangerd", "bangerd-root", "bangerd-build"].includes(called) ? called : "banger";

// The executable starts slow to compile (scripts/build.ts), which suits a command, and nobody who stays.
if (personality !== "banger" || isInternal("daemon") || isInternal("helper")) Bun.unsafe.setJITPolicy(1);

if (words.length === 1 && words[0] === "--version") {
  // Answered here, before anything is loaded.
  process.stdout.write(`${versionLine(personality)}\n`);
} else if (personality === "bangerd-root" || isInternal("helper")) {
  import("./helper/main.ts").then(({ main }) => main(words));
} else if (personality === "bangerd-build") {
  import("./builder/main.ts").then(({ main }) => main());
} else if (personality === "bangerd" || isInternal("daemon")) {
  import("./daemon/main.ts").then(({ main }) => main(words));
} else {
  import("./cli/main.ts").then(({ main }) => main(words));
}

/** The executable's own words for its other personalities, for when no link is there. */
function isInternal(name: string): boolean {
  return words[0] === "internal" && words[1] === name;
}
