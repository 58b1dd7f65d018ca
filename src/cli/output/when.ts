/** Points in time as people read them. */

/** "3 minutes ago"; `then` is ISO 8601. What is not a time is shown as it is. */
export function ago(then: string, now: Date): string {
  const ms = now.getTime() - Date.parse(then);
  if (Number.isNaN(ms)) return then;
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return "just now";
  if (seconds < 3600) return count(Math.floor(seconds / 60), "minute");
  if (seconds < 86_400) return count(Math.floor(seconds / 3600), "hour");
  return count(Math.floor(seconds / 86_400), "day");
}

function count(value: number, unit: string): string {
  return `${value} ${unit}${value === 1 ? "" : "s"} ago`;
}
