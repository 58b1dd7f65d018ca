/**
 * `bangerd-root --clear`: takes everything of banger's out of the kernel. For the uninstall, when the service has been
 * stopped and no VM runs. Each thing is found by the mark that was set on it, whatever made it and whenever.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run, runChecked } from "../sys/sys.ts";

const links = "/sys/class/net";
const tables = ["inet banger", "bridge banger"] as const;

export async function clear(): Promise<void> {
  for (const name of readdirSync(links)) {
    if (isOurs(name)) await runChecked("ip", ["link", "delete", name]);
  }
  // Where there is no nft, there is no table either.
  const listed = await run("nft", ["list", "tables"]).catch(() => undefined);
  const present = listed?.stdout.toString("utf8").split("\n") ?? [];
  for (const table of tables) {
    if (present.includes(`table ${table}`)) await runChecked("nft", ["delete", "table", ...table.split(" ")]);
  }
}

/** The bridge's alias is "banger", a TAP's "banger:...". Others are never touched, whatever their names. */
function isOurs(name: string): boolean {
  try {
    return /^banger($|:| )/.test(readFileSync(join(links, name, "ifalias"), "utf8").trim());
  } catch {
    // No link at all (bonding_masters), or one that has just gone.
    return false;
  }
}
