/** `npm run publish:image`: an image of this machine's store as a bundle, uploaded, and written into a catalog. */
import { dirname } from "node:path";
import { packImage, readImage } from "../src/image/image.ts";
import { runPublish } from "./publish/publish.ts";

await runPublish({
  word: "image",
  entries: "images",
  load: async ({ id, path }) => {
    const image = await readImage(dirname(path), id);
    const { name, distro, arch, kernel, revision } = image;
    return {
      entry: { name, distro, arch, kernel: kernel.name },
      revision,
      pack: (packing) => packImage(image, packing),
    };
  },
});
