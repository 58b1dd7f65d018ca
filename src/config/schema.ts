/** Every key of config.toml, with its type, default and meaning: docs/config.md is made from this. */
import { z } from "zod";
import { parseDurationMs, parseSizeBytes } from "../base/base.ts";

/** A text that a parser of ours turns into a value; its message becomes the issue's. */
function parsedBy<T>(parse: (text: string) => T, what: string) {
  return z.string(`must be ${what} in quotes`).transform((text, ctx): T => {
    try {
      return parse(text);
    } catch (error) {
      ctx.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}

const size = () => parsedBy(parseSizeBytes, 'a size such as "16G"');
const duration = () => parsedBy(parseDurationMs, 'a duration such as "24h"');
const hostPath = () =>
  z
    .string("must be a path in quotes")
    .regex(/^(\/|~\/)./, "must be an absolute path, or begin with ~/")
    .refine((path) => !path.split("/").includes(".."), "must not contain '..'");

const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int(error).min(min, error).max(max, error);
};
const ipv4 = () => z.ipv4('must be an IPv4 address such as "172.16.0.1"');

export const VmDefaults = z.strictObject({
  vcpu: whole(1, 64).optional().describe("virtual CPUs of a new VM"),
  memory_mib: whole(128, 1024 * 1024)
    .optional()
    .describe("memory of a new VM in MiB"),
  disk_size: size().optional().describe('size of the work disk mounted at /root, e.g. "16G"'),
  system_overlay_size: size().optional().describe("size of the root disk as the guest sees it"),
});

export const FileSync = z.strictObject({
  host: hostPath().describe("file or directory inside of your home, `~/...` or absolute"),
  guest: z
    .string("must be a path in quotes")
    .regex(/^(~|\/root)\/./, "must be below ~/ or /root/")
    .refine((path) => !path.split("/").includes(".."), "must not contain '..'")
    .refine(
      (path) =>
        path
          .replace(/^(~|\/root)\//, "")
          .split("/")
          .some((part) => part !== "" && part !== "."),
      "must name something below ~/ or /root/",
    )
    .describe("where it goes in the guest, below `~/` or `/root/`"),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'must be an octal mode such as "0600"')
    .optional()
    .describe("mode of a file, default `0600`; a directory's files keep theirs"),
});

/** https, or http on this machine's loopback; or a file, which is trusted as this one is. */
export const CatalogSource = z
  .strictObject({
    source: z
      .string("must be an address or a path in quotes")
      .refine(isCatalogPlace, "must be a https URL, a http URL of this machine, or an absolute path")
      .describe(
        "address or absolute path of the catalog; its signature is beside it, with .sig behind the name",
      ),
    key: z
      .string("must be a key in quotes")
      .refine(
        (key) => key.startsWith("/") || key.trimStart().startsWith("-----BEGIN PUBLIC KEY-----"),
        "must be a public key in PEM, or the absolute path of one",
      )
      .optional()
      .describe("public key (ECDSA on P-256, PEM) that must have signed it; only a file may do without"),
  })
  .refine(({ source, key }) => source.startsWith("/") || key !== undefined, {
    path: ["key"],
    error: "is missing: whoever can change what is sent could else put any image into your hands",
  });

function isCatalogPlace(source: string): boolean {
  if (source.startsWith("/")) return !source.split("/").includes("..");
  if (!URL.canParse(source)) return false;
  const { protocol, hostname, username, search, hash } = new URL(source);
  if (username !== "" || search !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && /^(localhost|127\..*|\[::1\])$/.test(hostname));
}

export const Warm = z.strictObject({
  mode: z
    .enum(["auto", "off"], 'must be "auto" or "off"')
    .default("auto")
    .describe("auto: new VMs go on from a template where there is one, and one is made where there is none"),
  max_size: size()
    .prefault("8G")
    .describe("how much all templates may take on the disk; the least recently used go first"),
  spare: z
    .boolean("must be true or false")
    .default(true)
    .describe(
      "after a start one more guest like it is made in advance, and waits, halted, to be the next VM",
    ),
});

export const ConfigSchema = z.strictObject({
  log_level: z
    .enum(["debug", "info", "warn", "error"], 'must be "debug", "info", "warn" or "error"')
    .default("info")
    .describe("how much the daemon logs; BANGER_LOG_LEVEL overrides it"),
  vmm: z
    .enum(["auto", "qemu", "firecracker"], 'must be "auto", "qemu" or "firecracker"')
    .default("auto")
    .describe(
      "which virtual machine monitor runs VMs; auto is Firecracker with the system services, QEMU without; Firecracker without them needs jailer_enabled = false",
    ),
  default_image_name: z
    .string()
    .min(1)
    .max(128)
    .default("debian-bookworm")
    .describe("image when --image is not given"),
  ssh_key_path: hostPath()
    .optional()
    .describe("private key for `banger vm ssh`; by default banger makes its own in its state directory"),
  debian_mirror: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .optional()
    .describe("Debian mirror that image recipes use; by default the one in the host's own apt sources"),
  default_dns: ipv4()
    .optional()
    .describe("name server of guests with --nat; by default the VMM's own resolver"),
  daemon_idle_timeout: duration()
    .prefault("10m")
    .describe("the daemon ends itself after this long without a running VM or a call; 0 never does"),
  project_nat: z
    .boolean("must be true or false")
    .default(false)
    .describe(
      "whether a repository's banger.toml that says nat = true opens the way out; by default only --nat does",
    ),
  vm_defaults: VmDefaults.prefault({}).describe("sizes of new VMs; what is absent follows from the host"),
  warm: Warm.prefault({}).describe("going on from templates instead of booting"),
  auto_suspend_after: duration()
    .prefault("0")
    .describe(
      "suspend VMs that nobody has used for this long and that are not at work; the next exec, ssh or connection lets them go on; 0 never does",
    ),
  auto_stop_stale_after: duration()
    .prefault("0")
    .describe(
      "stop VMs, in order, that run and that nobody has touched for this long: no command, session or connection, whatever the guest does by itself; 0 never does",
    ),
  stats_poll_interval: duration()
    .prefault("0")
    .describe("how often VM statistics are sampled; 0 only when asked"),
  catalog: z
    .array(CatalogSource)
    .default([])
    .describe("more catalogs of images and kernels; a name in several is the first one's"),
  file_sync: z.array(FileSync).default([]).describe("files copied from the host into each new VM"),
  firecracker_bin: hostPath()
    .optional()
    .describe(
      "the firecracker program; by default what `banger firecracker install` put there, else looked up in PATH",
    ),
  jailer_bin: hostPath().optional().describe("the jailer program"),
  jailer_enabled: z
    .boolean("must be true or false")
    .default(true)
    .describe(
      "false: Firecracker without a jail and without a network, as yourself, for debugging; not with the system services",
    ),
  jailer_chroot_base: hostPath().optional().describe("where jails are made; must be root's"),
  bridge_name: z
    .string()
    .regex(/^br-fc(-[a-z0-9-]{1,9})?$/, "must be br-fc or begin with br-fc-")
    .default("br-fc")
    .describe("bridge that VMs are attached to"),
  bridge_ip: ipv4().default("172.16.0.1").describe("the host's address on the bridge"),
  cidr: whole(8, 32).default(24).describe("prefix length of the bridge's subnet"),
  nat_private_networks: z
    .array(z.cidrv4('must be a network such as "192.168.1.0/24"'))
    .default([])
    .describe("private networks that guests with NAT may reach; by default only name servers there"),
  tap_pool_size: whole(0, 64).default(4).describe("idle TAP devices kept ready; 0 keeps none"),
});

export type Config = z.infer<typeof ConfigSchema>;

/** Keys that are checked, but that nothing in this version acts on yet: the daemon warns when they are set. */
export const inertKeys: readonly (keyof Config)[] = ["stats_poll_interval"];

/** Keys of /etc/banger/config.toml: the administrator's, because root acts on them. In a user's file they change nothing. */
export const administratorKeys = [
  "jailer_bin",
  "jailer_chroot_base",
  "bridge_name",
  "bridge_ip",
  "cidr",
  "nat_private_networks",
  "tap_pool_size",
] as const satisfies readonly (keyof Config)[];
