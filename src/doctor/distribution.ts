/** Which distribution the host is, by os-release(5). */

export const families = ["debian", "ubuntu", "arch", "manjaro", "fedora", "nixos", "void"] as const;
export type Family = (typeof families)[number] | "other";

export interface Distribution {
  family: Family;
  /** As it calls itself. */
  name: string;
}

/** `text` is os-release's, undefined where there is none. A distribution that is none of ours counts as the first that it is like. */
export function parseDistribution(text: string | undefined): Distribution {
  const fields = new Map<string, string>();
  for (const line of text?.split("\n") ?? []) {
    const found = /^([A-Z_]+)=(["']?)(.*)\2\s*$/.exec(line);
    if (found?.[1] !== undefined) fields.set(found[1], found[3] ?? "");
  }
  const id = fields.get("ID") ?? "";
  const like = (fields.get("ID_LIKE") ?? "").split(" ");
  const family = [id, ...like].map(known).find((each) => each !== undefined) ?? "other";
  return { family, name: fields.get("PRETTY_NAME") || id || "an unknown distribution" };
}

function known(id: string): Family | undefined {
  // RHEL's rebuilds are like it before they are like Fedora.
  return id === "rhel" ? "fedora" : families.find((family) => family === id);
}
