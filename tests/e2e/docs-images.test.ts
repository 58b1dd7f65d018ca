/** The pages about images and kernels, as a reader types them. */
import { join } from "node:path";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { userSessions } from "../docs/pages.ts";
import { testPages } from "./docs-session.ts";
import { sayConfig, sayLayer } from "./say.ts";

testPages(userSessions.images, {
  "docs/oci-import.md": (dir) =>
    writeLayout(join(dir, "layout"), buildImage([sayLayer(dir)], "gzip", { config: { config: sayConfig } })),
});
