import { describe, expect, test } from "bun:test";
import { healthy, verdict } from "../testing/healthy.ts";

const { images, settings } = healthy;

describe("config.toml", () => {
  test("with mistakes is a failure that says each of them", () => {
    const path = "/home/alice/.config/banger/config.toml";
    const problems = [
      `${path}:2: unknown key vmmm; did you mean vmm?`,
      `${path}:4: vcpu: must be a whole number`,
    ];
    expect(verdict("config", { settings: { ...settings, exists: true, problems } })).toEqual({
      state: "fail",
      summary: `${path} is not valid`,
      remedy: [
        "line 2: unknown key vmmm; did you mean vmm?",
        "line 4: vcpu: must be a whole number",
        "correct it, or move it away",
      ],
    });
  });
});

describe("sizes of new VMs", () => {
  test("are told, and more processors than there are is told to be too many", () => {
    expect(verdict("vm-defaults").summary).toBe("2 vcpu, 4096 MiB, 8G disk");
    const config = { ...settings.config, vm_defaults: { vcpu: 16 } };
    expect(verdict("vm-defaults", { settings: { ...settings, config } })).toEqual({
      state: "warn",
      summary: "16 vcpu, 4096 MiB, 8G disk: this machine has 8 processors",
      remedy: [`in ${settings.path}, below [vm_defaults]: vcpu = 8`],
    });
  });
});

describe("the default image", () => {
  const image = (change: Partial<typeof images.image>, kernel = images.kernel) => ({
    images: { ...images, image: { ...images.image, ...change }, kernel },
  });
  const inCatalog = { name: "debian-cloud-6.1", release: undefined, inCatalog: true };

  test("is there, or can be built", () => {
    expect(verdict("image").summary).toBe("debian-bookworm, built 2026-03-04");
    const unbuilt = image({ stored: undefined }, inCatalog);
    expect(verdict("image", unbuilt)).toMatchObject({
      state: "pass",
      summary: "debian-bookworm is not built yet: the first vm run does it",
    });
    expect(verdict("kernel", unbuilt)).toMatchObject({
      state: "pass",
      summary: "debian-cloud-6.1 is fetched with the image",
    });
  });

  test("of an older recipe is to be renewed", () => {
    const stored = { id: "sha256:ab", createdAt: "2026-01-01T00:00:00Z", outdated: true };
    expect(verdict("image", image({ stored }))).toMatchObject({
      state: "warn",
      remedy: ["banger image pull debian-bookworm"],
    });
  });

  test("that nobody knows is a failure, and nobody asks for its kernel", () => {
    const unknown = image({ stored: undefined, inCatalog: false }, undefined);
    expect(verdict("image", unknown).state).toBe("fail");
    expect(verdict("kernel", unknown).state).toBe("skip");
  });

  test("whose kernel is gone has to be built anew, because a newer kernel is another one", () => {
    expect(verdict("kernel", image({}, inCatalog))).toEqual({
      state: "fail",
      summary: "debian-cloud-6.1, which debian-bookworm was built with, is gone",
      remedy: ["banger image delete debian-bookworm && banger image pull debian-bookworm"],
    });
  });
});
