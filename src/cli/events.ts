/** banger events */
import type { Happening } from "../rpc/contract.ts";
import { defineCommand } from "./command.ts";
import { duration, json } from "./flags.ts";
import { escapeLine } from "./output/escape.ts";
import { hintOf } from "./output/hint.ts";
import { jsonLine } from "./output/table.ts";
import { seenEnough, whileRead } from "./output/watching.ts";

export const command = defineCommand({
  summary: "follow what happens to VMs, images, kernels and templates",
  details:
    "A line for each, until Ctrl-C: when, what, to which, and what there is to say about it. bangerd remembers the last thousand, for as long as it runs; it does not end itself while somebody follows. Who reads too slowly is told how many were dropped (events.dropped).",
  examples: [
    { command: "events", note: "what happens from now on" },
    { command: "events --since 1h", note: "and what has happened in the last hour" },
    {
      command: "events --json | jq -r 'select(.kind == \"vm.stopped\").details.reason'",
      note: "for programs",
    },
    { command: "events --since 24h --no-follow", note: "only what has happened" },
  ],
  args: {},
  flags: {
    since: duration("first what has happened in this time"),
    follow: {
      kind: "switch",
      negated: true,
      description: "end after what has happened (without --since: as far as it is known)",
    },
    json: json(),
  },
  run: async ({ since, follow, json: asJson }, ctx) => {
    const client = await ctx.client();
    const signal = whileRead(ctx);
    const sinceMs = since ?? (follow ? undefined : Date.now());
    let shown = 0;
    const show = (happening: Happening) => {
      shown += 1;
      ctx.out(asJson ? jsonLine(happening) : line(happening));
    };
    try {
      await client.call(
        "events.follow",
        { follow, ...(sinceMs === undefined ? {} : { sinceMs }) },
        { signal, onEvent: show },
      );
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    seenEnough(ctx);
    if (shown === 0 && !follow && !asJson && !signal.aborted)
      hintOf(ctx, since === undefined ? "no events yet" : "no events in that time");
    return undefined;
  },
});

/** "2026-11-28 20:51:34  vm.stopped      calm-otter  reason: asked", in the time of where one is. */
function line({ time, kind, subject, details }: Happening): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  const words = Object.entries(details).map(([key, value]) => `${key}: ${value}`);
  const who = subject === null ? "" : subject.name || subject.id.slice(0, 12);
  return escapeLine(`${day} ${clock}  ${kind.padEnd(16)}  ${who.padEnd(16)}  ${words.join(", ")}`.trimEnd());
}
