/** What a repository may ask for. All of it is checked by shape; whether this host gives it is in limits.ts. */

export interface PortForward {
  /** On the host's loopback, always. */
  host: number;
  guest: number;
}

/** A command for the guest, run in the workspace before the user's. */
export interface PostCreate {
  /** As the file says it, for people. */
  shown: string;
  argv: readonly string[];
}

export interface ProjectSettings {
  /** A name in the store or the catalog, or a reference to a registry's image: never a file of the host. */
  image?: string;
  vcpu?: number;
  memoryBytes?: number;
  diskBytes?: number;
  /** Asks for the way out; the user grants it. */
  nat?: boolean;
  ports: readonly PortForward[];
  /** Files and directories of the work tree that travel although git does not track them; relative, without "..". */
  include: readonly string[];
  /** Undefined: as the shape of the run has it. */
  bootstrap?: boolean;
  postCreate: readonly PostCreate[];
  env: Readonly<Record<string, string>>;
}

/** A repository's settings, and where they are from. */
export interface Project {
  /** Relative to the repository's root. */
  file: string;
  settings: ProjectSettings;
  /** What of the file is not used, in words for the user; not yet escaped for a terminal. */
  ignored: readonly string[];
  /** Where in the file a key is, for messages: `banger.toml:3`. */
  placeOf(key: string): string;
}
