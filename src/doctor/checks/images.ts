/** Checks of the settings, and of what new VMs are made of. */
import { formatBytes } from "../../base/base.ts";
import { specDefaults } from "../../config/config.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, pass, warn } from "../verdict.ts";
import { buildChecks } from "./builds.ts";

const settings = defineCheck({
  id: "config",
  group: "images",
  modes: anywhere,
  symptoms: ["every command fails with `config.toml:3: unknown key`, or its kind"],
  meaning: "config.toml is strict: with an unknown key or a value out of range the daemon does not start.",
  cure: "Correct what is said, line by line: [config.md](config.md) has every key. Or move the file away: without it the defaults hold.",
  dependsOn: [],
  needs: ["settings"],
  judge: ({ facts: { settings } }) => {
    const { path, exists, problems } = settings;
    const evidence = [
      {
        looked: path,
        found: exists ? `${problems.length === 0 ? "valid" : "not valid"}` : "not there: the defaults hold",
      },
      ...problems.map((found) => ({ looked: "problem", found })),
    ];
    if (problems.length === 0)
      return pass(exists ? path : "the defaults: there is no config.toml", ...evidence);
    const steps = problems.map((problem) => problem.replace(`${path}:`, "line "));
    return fail(`${path} is not valid`, [...steps, "correct it, or move it away"], ...evidence);
  },
});

const vmDefaults = defineCheck({
  id: "vm-defaults",
  group: "images",
  modes: anywhere,
  symptoms: ["a new VM is larger or smaller than expected", "VMs slow each other down"],
  meaning:
    "The size of a new VM: what `[vm_defaults]` in config.toml says (`config`), else what follows from the host's size (`auto`), else the least (`builtin`). More processors than the host has make a VM slower, not faster.",
  cure: "Set `vcpu`, `memory_mib`, `disk_size` below `[vm_defaults]` in config.toml, or say it for one VM: `banger vm run --vcpu 2 --memory 2G --disk-size 16G`.",
  dependsOn: ["config"],
  needs: ["settings", "machine"],
  judge: ({ facts: { settings, machine } }) => {
    const host = { cpus: machine.cpus, memoryBytes: machine.memory.totalBytes };
    const { vcpu, memoryMiB, diskBytes, overlayBytes } = specDefaults(settings.config, host);
    const evidence = [
      { looked: "vcpu", found: `${vcpu.value} (${vcpu.from})` },
      { looked: "memory", found: `${memoryMiB.value} MiB (${memoryMiB.from})` },
      { looked: "disk", found: `${formatBytes(diskBytes.value)} (${diskBytes.from})` },
      { looked: "system disk", found: `${formatBytes(overlayBytes.value)} (${overlayBytes.from})` },
    ];
    const said = `${vcpu.value} vcpu, ${memoryMiB.value} MiB, ${formatBytes(diskBytes.value)} disk`;
    if (vcpu.value <= machine.cpus) return pass(said, ...evidence);
    const remedy = [`in ${settings.path}, below [vm_defaults]: vcpu = ${machine.cpus}`];
    return warn(`${said}: this machine has ${machine.cpus} processors`, remedy, ...evidence);
  },
});

const image = defineCheck({
  id: "image",
  group: "images",
  modes: anywhere,
  symptoms: [
    "`there is no image ...`",
    "the first `vm run` takes minutes",
    "`image ... was built by an older recipe`",
  ],
  meaning:
    "New VMs are made of the default image. Where it is not in the store yet, the first `vm run` builds it by its recipe in the catalog.",
  cure: "Build it beforehand: `banger image pull debian-bookworm`. A name that nobody knows: correct `default_image_name` in config.toml; `banger image list --available` shows what there is.",
  dependsOn: ["state"],
  needs: ["images", "settings"],
  judge: ({ facts: { images, settings } }) => {
    const { wanted, available, otherCatalogs } = images;
    const { stored, inCatalog } = images.image;
    const evidence: Evidence[] = [
      { looked: "default_image_name", found: wanted },
      {
        looked: "the store",
        found: stored === undefined ? "it is not there" : `${stored.id}, built ${stored.createdAt}`,
      },
      { looked: "the catalog", found: inCatalog ? "there is a recipe" : "there is none of that name" },
    ];
    if (stored?.outdated)
      return warn(`${wanted}, built by an older recipe`, [`banger image pull ${wanted}`], ...evidence);
    if (stored !== undefined) return pass(`${wanted}, built ${stored.createdAt.slice(0, 10)}`, ...evidence);
    if (inCatalog) return pass(`${wanted} is not built yet: the first vm run does it`, ...evidence);
    if (otherCatalogs.length > 0) {
      evidence.push({ looked: "config.toml's catalogs", found: otherCatalogs.join(", ") });
      return warn(
        `${wanted} is not here: the first vm run fetches it, if one of config.toml's catalogs has it`,
        [`banger image pull ${wanted}`],
        ...evidence,
      );
    }
    const remedy = [
      `in ${settings.path}: default_image_name = "${available[0] ?? "debian-bookworm"}"`,
      "banger image list --available",
    ];
    return fail(`there is no image ${wanted}, neither here nor in the catalog`, remedy, ...evidence);
  },
});

const kernel = defineCheck({
  id: "kernel",
  group: "images",
  modes: anywhere,
  symptoms: ["`kernel ... is not in the store`", "`the kernel in ... is damaged`"],
  meaning:
    "Every image names the kernel that it boots with. It is fetched with the image; a VM cannot start without it.",
  cure: "Fetch it again: `banger kernel pull --force debian-cloud-6.1`; if it is another one that the image wants, renew the image: `banger image delete NAME`, `banger image pull NAME`.",
  dependsOn: ["image"],
  needs: ["images"],
  judge: ({ facts: { images } }) => {
    const { kernel, image, wanted } = images;
    const evidence: Evidence[] = [
      { looked: "the image's kernel", found: kernel?.name ?? "not known" },
      { looked: "the store", found: kernel?.release ?? "it is not there" },
      {
        looked: "the catalog",
        found: kernel?.inCatalog ? "there is a recipe" : "there is none of that name",
      },
    ];
    if (kernel?.release !== undefined) return pass(`${kernel.name} (${kernel.release})`, ...evidence);
    const name = kernel?.name ?? "the kernel";
    // An image of the store stands on this very kernel: a newer one of its name is another.
    if (image.stored !== undefined) {
      const remedy = [`banger image delete ${wanted} && banger image pull ${wanted}`];
      return fail(`${name}, which ${wanted} was built with, is gone`, remedy, ...evidence);
    }
    if (kernel?.inCatalog) return pass(`${name} is fetched with the image`, ...evidence);
    return fail(
      `there is no kernel ${name}, neither here nor in the catalog`,
      ["banger kernel list --available"],
      ...evidence,
    );
  },
});

export const imageChecks: readonly Check[] = [settings, vmDefaults, image, kernel, ...buildChecks];
