/** What a contract is: a table of methods, each with the schemas of what goes in and what comes out. Types only. */
import type { z } from "zod";

export interface MethodShape {
  summary: string;
  params: z.ZodType;
  result: z.ZodType;
  /** Present = the call may take long, streams these, and can be cancelled. */
  events?: z.ZodType;
}

export type Table = Readonly<Record<string, MethodShape>>;

export type MethodOf<T extends Table> = keyof T & string;
export type ParamsOf<T extends Table, M extends MethodOf<T>> = z.infer<T[M]["params"]>;
export type ResultOf<T extends Table, M extends MethodOf<T>> = z.infer<T[M]["result"]>;
export type EventsOf<T extends Table, M extends MethodOf<T>> = T[M] extends {
  events: infer E extends z.ZodType;
}
  ? z.infer<E>
  : never;
