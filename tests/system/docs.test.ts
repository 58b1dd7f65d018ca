/** What the documentation has administrators type, on a host with systemd, page by page. */
import { beforeAll, describe } from "bun:test";
import { hostPages } from "../docs/pages.ts";
import { type Finished, testPage } from "../docs/run-page.ts";
import { host } from "./host.ts";

const machine = await host();
let first = true;

for (const page of hostPages)
  describe(page, () => {
    beforeAll(async () => {
      // Each page begins on a host without banger.
      if (!first) await machine.reset();
      first = false;
      await machine.giveStore();
    }, 600_000);
    testPage(page, ["host"], {
      run: (script, fate): Promise<Finished> =>
        machine.run(script, {
          user: fate.kind === "host" ? fate.user : "dev",
          input: "",
          timeoutMs: 900_000,
        }),
    });
  });
