/**
 * Which of the e2e tests run: those that install packages, or start Docker, in an emulated guest take minutes each, and so
 * do all pages of the documentation together: without being asked for there is one of them a day. BANGER_E2E=all runs all.
 */
const byTurns = ["debian", "image-build", "provision", "docs-work", "docs-images", "docs-more"];

/** Of `paths`, those whose turn it is. */
export function e2eFiles(paths, asked, now = Date.now()) {
  if (asked === "all") return paths;
  const today = byTurns[Math.floor(now / 86_400_000) % byTurns.length];
  const nameOf = (path) => path.replace(/^.*\/|\.test\.ts$/g, "");
  return paths.filter((path) => !byTurns.includes(nameOf(path)) || nameOf(path) === today);
}
