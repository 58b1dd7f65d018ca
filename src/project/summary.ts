/** A project's settings for people. Texts of the repository are in it as they are: to be escaped by who prints it. */
import { formatBytes } from "../base/base.ts";
import type { ProjectSettings } from "./settings.ts";

/** A line a setting, in the words of banger.toml; those that say nothing are left out. */
export function summaryOf(settings: ProjectSettings): { key: string; text: string }[] {
  const { image, vcpu, memoryBytes, diskBytes, nat, ports, include, bootstrap, postCreate, env } = settings;
  const row = (key: string, text: string | undefined) => (text === undefined ? [] : [{ key, text }]);
  const size = (bytes: number | undefined) => (bytes === undefined ? undefined : formatBytes(bytes));
  return [
    ...row("image", image),
    ...row("vcpu", vcpu?.toString()),
    ...row("memory", size(memoryBytes)),
    ...row("disk", size(diskBytes)),
    // It is the user's to give: "true" would say that it is had.
    ...row("nat", nat === true ? "asked for" : nat?.toString()),
    ...ports.flatMap(({ host, guest }) => row("ports", `${host}:${guest}`)),
    ...include.flatMap((path) => row("include", path)),
    ...row("bootstrap", bootstrap?.toString()),
    ...postCreate.flatMap(({ shown }) => row("post_create", shown)),
    ...Object.entries(env).flatMap(([name, value]) => row("env", `${name}=${value}`)),
  ];
}
