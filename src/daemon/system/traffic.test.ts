import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VmId } from "../../base/ids.ts";
import { tapAlias } from "../../net/net.ts";
import { traffic } from "./traffic.ts";

test("what a guest has sent is what its host has received, by the VM that the link is lent to", async () => {
  const dir = mkdtempSync(join(tmpdir(), "banger-traffic-"));
  const vm = VmId.parse("3f2a91c0-5b7e-4d21-9c3a-0123456789ab");
  const alias = tapAlias({ vm, address: "172.16.0.2", mac: "02:00:00:00:00:01", nat: false });
  try {
    for (const [name, said] of Object.entries({ "tap-pool-0": alias, "tap-pool-1": "", eth0: alias })) {
      mkdirSync(join(dir, name, "statistics"), { recursive: true });
      writeFileSync(join(dir, name, "ifalias"), `${said}\n`);
      writeFileSync(join(dir, name, "statistics/rx_bytes"), "1000\n");
      writeFileSync(join(dir, name, "statistics/tx_bytes"), "70\n");
    }
    expect(await traffic(dir)).toEqual(new Map([[vm, { sentBytes: 1000, receivedBytes: 70 }]]));
    expect(await traffic(join(dir, "nowhere"))).toEqual(new Map());
  } finally {
    rmSync(dir, { recursive: true });
  }
});
