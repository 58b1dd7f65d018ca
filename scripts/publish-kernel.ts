/** `npm run publish:kernel`: a kernel of this machine's store as a bundle, uploaded, and written into a catalog. */
import { dirname } from "node:path";
import { packKernel, readKernel } from "../src/kernel/kernel.ts";
import { runPublish } from "./publish/publish.ts";

await runPublish({
  word: "kernel",
  entries: "kernels",
  load: async ({ id, path }) => {
    const kernel = await readKernel(dirname(path), id);
    const { name, arch } = kernel;
    return { entry: { name, arch }, revision: undefined, pack: (packing) => packKernel(kernel, packing) };
  },
});
