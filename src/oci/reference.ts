/**
 * Image references as people write them, by the grammar of the distribution project:
 *
 *   [DOMAIN[:PORT]/]PATH[:TAG][@DIGEST]
 *
 * The first component is a domain when it has a dot, a colon or an upper-case letter, or is localhost; without one the
 * registry is the ecosystem's default, where a name of one component is below library/.
 */
import { BangerError } from "../base/base.ts";
import { Digest } from "../download/download.ts";

/** The one registry that names may leave out: what it is called, where its API is, and how docker's config.json calls it. */
const implied = {
  name: "docker.io",
  alias: "index.docker.io",
  api: "registry-1.docker.io",
  credentials: "https://index.docker.io/v1/",
  officialPath: "library",
} as const;

export interface ImageReference {
  /** Domain and port, as named. */
  registry: string;
  repository: string;
  tag: string | undefined;
  digest: Digest | undefined;
}

const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domain = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]{1,5})?$`);
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagGrammar = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const maxNameLength = 255;

/** Throws bad_request for what is no reference. Without tag and digest the tag is latest, as everywhere. */
export function parseReference(text: string): ImageReference {
  const refuse = (why: string) =>
    new BangerError(
      "bad_request",
      `${JSON.stringify(text.slice(0, 300))} is not an image reference: ${why}`,
      {
        hint: "write it like docker.io/library/debian:bookworm or localhost:5000/name@sha256:...",
      },
    );
  const [named = "", digestText, ...more] = text.split("@");
  if (more.length > 0) throw refuse("it has two @");
  const digest = digestText === undefined ? undefined : Digest.safeParse(digestText);
  if (digest?.success === false) throw refuse("what follows the @ is not a sha256 or sha512 digest");

  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !tagGrammar.test(tag)) throw refuse("what follows the last colon is not a tag");
  if (name.length > maxNameLength) throw refuse(`its name is longer than ${maxNameLength} characters`);
  if (/^[0-9a-f]{64}$/.test(name)) throw refuse("64 hexadecimal digits are an image's id, not a name");

  const { registry, path } = splitRegistry(name);
  if (!domain.test(registry)) throw refuse(`${JSON.stringify(registry)} is not a registry's name`);
  if (Number(/:([0-9]+)$/.exec(registry)?.[1] ?? 1) > 65535) throw refuse("there is no such port");
  const bad = path.split("/").find((part) => !component.test(part));
  if (bad !== undefined)
    throw refuse(`${JSON.stringify(bad)} is not a part of a name (a-z, 0-9, and . _ - between them)`);
  return {
    registry,
    repository: path,
    tag: tag ?? (digest === undefined ? "latest" : undefined),
    digest: digest?.data,
  };
}

function splitRegistry(name: string): { registry: string; path: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isDomain = first === "localhost" || /[.:A-Z[]/.test(first);
  const registry = isDomain ? first : implied.name;
  const path = isDomain ? name.slice(slash + 1) : name;
  if (registry !== implied.name && registry !== implied.alias) return { registry, path };
  return {
    registry: implied.name,
    path: path.includes("/") ? path : `${implied.officialPath}/${path}`,
  };
}

/** The reference in full, as it is recorded. */
export function formatReference({ registry, repository, tag, digest }: ImageReference): string {
  const tagged = tag === undefined ? "" : `:${tag}`;
  return `${registry}/${repository}${tagged}${digest === undefined ? "" : `@${digest}`}`;
}

/** Where a registry's API answers: host and port. */
export function apiHost(registry: string): string {
  return registry === implied.name ? implied.api : registry;
}

/** What credentials of a registry are filed under, in docker's config.json and by its helpers. */
export function credentialKey(registry: string): string {
  return registry === implied.name ? implied.credentials : registry;
}

/** A name for the image in the store: what people would call it, in the store's grammar. */
export function suggestName({ repository, tag, digest }: ImageReference): string {
  const last = repository.split("/").at(-1) ?? "image";
  return storeName(`${last}-${tag ?? digest?.slice(7, 19) ?? ""}`);
}

/** Any text in the grammar of names in the store: lower case, a-z 0-9 . _ -, at most 64 characters. */
export function storeName(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "");
  return plain.slice(0, 64) || "image";
}
