/** Descriptors that are closed whatever happens. */
import { closeSync } from "node:fs";

/** `hold` gives a descriptor to this call, which closes it at its end. */
export async function holding<T>(act: (hold: (fd: number) => number) => Promise<T>): Promise<T> {
  const held: number[] = [];
  try {
    return await act((fd) => {
      held.push(fd);
      return fd;
    });
  } finally {
    for (const fd of held.reverse()) closeSync(fd);
  }
}
