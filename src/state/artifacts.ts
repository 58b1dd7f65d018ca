/** Rows of images and kernels: which stored artifact a name means. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { durably } from "./durable.ts";

export const Artifact = z.strictObject({
  name: z.string(),
  /** `sha256:` and 64 hex digits. */
  id: z.string(),
  directory: z.string(),
  createdAt: z.string(),
});
export type Artifact = z.infer<typeof Artifact>;

export interface ArtifactTable {
  put(artifact: Artifact): void;
  list(): Artifact[];
  remove(name: string): void;
}

export function artifactTable(db: Database, table: "images" | "kernels"): ArtifactTable {
  return {
    put: (artifact) =>
      durably(db, () => {
        db.query(`INSERT OR REPLACE INTO ${table} (name, id, directory, created_at) VALUES (?, ?, ?, ?)`).run(
          artifact.name,
          artifact.id,
          artifact.directory,
          artifact.createdAt,
        );
      }),
    list: () =>
      db
        .query(`SELECT name, id, directory, created_at AS createdAt FROM ${table} ORDER BY name`)
        .all()
        .map((row) => Artifact.parse(row)),
    remove: (name) => durably(db, () => void db.query(`DELETE FROM ${table} WHERE name = ?`).run(name)),
  };
}
