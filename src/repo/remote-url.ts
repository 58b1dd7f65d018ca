/** Which remote URLs travel into a guest, and what is cut from them. */

const schemes = new Set(["http", "https", "ssh", "git", "git+ssh", "ssh+git"]);

/**
 * A remote's URL without secrets, or undefined when it must not travel: a path on this host, a remote helper
 * (`ext::...` runs programs), or anything not recognised. Cuts user, password and token from web URLs, the password
 * alone from ssh URLs (their user, `git`, is part of the address), and query and fragment from all.
 */
export function sanitiseRemoteUrl(url: string): string | undefined {
  if (url.length > 2048 || /[\u0000-\u0020\u007f\\"'<>`]/.test(url)) return undefined;
  const full = /^([a-z][a-z0-9+]*):\/\/([^/?#]*)(\/[^?#]*)?(?:[?#].*)?$/i.exec(url);
  if (full !== null) {
    const scheme = (full[1] ?? "").toLowerCase();
    if (!schemes.has(scheme)) return undefined;
    const authority = full[2] ?? "";
    const at = authority.lastIndexOf("@");
    const host = authority.slice(at + 1);
    if (!/^(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/.test(host) || host.startsWith("-"))
      return undefined;
    const user = scheme.includes("ssh") && at >= 0 ? sshUser(authority.slice(0, at)) : "";
    return `${scheme}://${user}${host}${full[3] ?? ""}`;
  }
  // scp's form, [user@]host:path. A slash before the colon means a path, "::" a remote helper.
  const scp = /^(?:([^@:/]+)@)?([A-Za-z0-9_.-]+):(?!:)([^?#]+)$/.exec(url);
  if (scp === null || scp[2]?.startsWith("-")) return undefined;
  return `${scp[1] === undefined ? "" : sshUser(scp[1])}${scp[2]}:${scp[3]}`;
}

/** `user@`, when it looks like an account and not like a token. */
function sshUser(userinfo: string): string {
  const user = userinfo.split(":")[0] ?? "";
  return /^[A-Za-z0-9._-]{1,32}$/.test(user) && !user.startsWith("-") ? `${user}@` : "";
}
