/** What of the configuration decides about content and authors: the same for git here and for git in the guest. */
import { booleanValue, type ConfigEntry, lastValue } from "./config-file.ts";

/** Line ends and symbolic links: how a file's bytes become a blob's. */
export function contentConfig(
  userConfig: readonly ConfigEntry[],
  entries: readonly ConfigEntry[],
): ConfigEntry[] {
  const out: ConfigEntry[] = [];
  const put = (key: string, value: string) =>
    out.push({ section: "core", subsection: undefined, key, value });
  if (booleanValue(lastValue(entries, "core", "symlinks")) === false) put("symlinks", "false");
  const both = [...userConfig, ...entries];
  for (const [key, pattern] of [
    ["autocrlf", /^(?:true|false|input)$/i],
    ["eol", /^(?:lf|crlf|native)$/i],
  ] as const) {
    const value = lastValue(both, "core", key);
    if (value !== undefined && pattern.test(value)) put(key, value.toLowerCase());
  }
  return out;
}

/** `user.name` and `user.email`, where they are set to something that can stand in a commit. */
export function identityConfig(
  userConfig: readonly ConfigEntry[],
  entries: readonly ConfigEntry[],
): ConfigEntry[] {
  return ["name", "email"].flatMap((key) => {
    const value = lastValue([...userConfig, ...entries], "user", key);
    if (value === undefined || value.length > 1024 || /[\u0000-\u001f\u007f]/.test(value)) return [];
    return [{ section: "user", subsection: undefined, key, value }];
  });
}
