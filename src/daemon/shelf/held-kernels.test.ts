import { expect, test } from "bun:test";
import { HeldKernels } from "./held-kernels.ts";

const kernel = { id: "sha256:1", name: "tiny" };

test("the kernel of an image that is being made is held until it is there, or given up", async () => {
  const held = new HeldKernels();
  const given = Promise.withResolvers<string>();
  const works = ["one", "other"].map((name) =>
    held.during(name, async (hold) => {
      expect(hold(kernel)).toBe(kernel);
      return await given.promise;
    }),
  );
  expect(held.by(kernel.id)).toEqual(["one", "other"]);
  expect(held.by("sha256:2")).toEqual([]);
  given.reject(new Error("given up"));
  expect((await Promise.allSettled(works)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(held.by(kernel.id)).toEqual([]);
});
