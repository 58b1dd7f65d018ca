/** A release server in the emulated host itself: that of an update's bed, whose public key is /srv/release.pub there. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { UpdateBed } from "../integration/update-fixture.ts";
import type { Host } from "./host.ts";

export const releasesAt = new URL("http://127.0.0.1:8400/");

/** Serves /srv/releases for as long as the host is up, also after it was cut off. */
const server = `[Service]
Environment=BUN_BE_BUN=1
ExecStart=/home/dev/banger -e "Bun.serve({hostname:'127.0.0.1',port:${releasesAt.port},fetch:r=>new Response(Bun.file('/srv/releases'+new URL(r.url).pathname))})"
[Install]
WantedBy=multi-user.target
`;

/** What is in the bed by now. */
export async function serveReleases(machine: Host, bed: UpdateBed): Promise<void> {
  const root = { user: "root", timeoutMs: 600_000 } as const;
  const archive = join(bed.dir, "site.tar");
  execFileSync("tar", ["-cf", archive, "-C", bed.site.dir, "."]);
  await machine.copyIn(archive, "/srv/site.tar", root);
  rmSync(archive);
  await machine.copyIn(bed.key.public, "/srv/release.pub", root);
  await machine.ok("mkdir /srv/releases && tar -xf /srv/site.tar -C /srv/releases && rm /srv/site.tar", root);
  await machine.run("cat > /etc/systemd/system/releases.service", { ...root, input: server });
  await machine.ok("systemctl enable --quiet --now releases.service && sync", root);
}
