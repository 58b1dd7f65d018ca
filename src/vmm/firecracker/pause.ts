/** Halting a machine's processors, and letting them go on. */
import { FirecrackerApi } from "./api.ts";
import { request } from "./requests.ts";

/** Nothing is asked of one that is so already. */
export async function turn(
  socket: string,
  wanted: "Paused" | "Running",
  signal?: AbortSignal,
): Promise<void> {
  const api = new FirecrackerApi(socket);
  if ((await api.instance(signal)).state === wanted) return;
  await api.send(request.vm({ state: wanted === "Paused" ? "Paused" : "Resumed" }), signal);
}
