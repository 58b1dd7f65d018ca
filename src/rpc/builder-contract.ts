/**
 * The builder contract: what bangerd asks of a build's service in system mode. One connection is one build, and its end
 * is the end of the build.
 *
 * What is built is named, never described: recipes and directories are the builder's own.
 */
import { z } from "zod";
import { KernelId } from "../base/ids.ts";
import type { ParamsOf, Table } from "./table.ts";

/** Goes into a line of apt's sources: one word. */
const Mirror = z.url({ protocol: /^https?$/ }).regex(/^[^\s[\]]+$/, "must be one word");

export const builder = {
  ping: {
    summary: "version and process id of the builder",
    params: z.strictObject({}),
    result: z.strictObject({ version: z.string(), commit: z.string(), pid: z.int().positive() }),
  },
  "image.build": {
    summary: "builds an image of the catalog into the store",
    params: z.strictObject({
      name: z.string().max(64),
      /** Of the kernel in the store whose modules go into the image. */
      kernel: KernelId,
      archive: Mirror,
      security: Mirror.nullable(),
    }),
    /** The name of its directory in the store. */
    result: z.strictObject({ digest: z.string().regex(/^[0-9a-f]{64}$/) }),
    events: z.strictObject({ message: z.string() }),
  },
} as const satisfies Table;

export type Builder = typeof builder;
export type BuildRequest = ParamsOf<Builder, "image.build">;
