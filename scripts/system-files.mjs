/**
 * Which of the system tests run: all together take most of an hour, so without being asked for it is the ones that say
 * most, and one more each day. BANGER_SYSTEM=all runs all of them, BANGER_SYSTEM=storm,set the ones it names.
 */
const always = ["host", "helper", "vm"];
/** Only when asked for: building a kernel and an image, or starting Docker, takes an emulated host longer than all the others. */
const seldom = ["build", "docker"];

/** Of `paths`, those whose turn it is. `asked` is BANGER_SYSTEM; throws when it names one that is not there. */
export function systemFiles(paths, asked, now = Date.now()) {
  const nameOf = (path) => path.replace(/^.*\/|\.test\.ts$/g, "");
  if (asked === "all") return paths;
  if (asked) {
    const names = asked.split(",");
    const missing = names.find((name) => !paths.some((path) => nameOf(path) === name));
    if (missing !== undefined) {
      throw new Error(
        `BANGER_SYSTEM: no system test ${missing}; there are all, ${paths.map(nameOf).join(", ")}`,
      );
    }
    return paths.filter((path) => names.includes(nameOf(path)));
  }
  const others = paths.filter((path) => ![...always, ...seldom].includes(nameOf(path)));
  const today = others[Math.floor(now / 86_400_000) % others.length];
  return paths.filter((path) => always.includes(nameOf(path)) || path === today);
}
