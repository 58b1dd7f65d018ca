/** WWW-Authenticate (RFC 9110, 11.6.1): one or more challenges, which a comma separates, as it does their parameters. */
export interface Challenge {
  /** Lower case. */
  scheme: string;
  /** By lower-case name; the first of two wins. */
  params: ReadonlyMap<string, string>;
}

const maxHeaderLength = 8192;
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const space = /[ \t]*/y;
const separators = /[ \t,]*/y;
const equals = /[ \t]*=[ \t]*/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
/** Credentials in place of parameters, as Negotiate sends them: none of ours. */
const token68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;

/** What can be read of it; a header that makes no sense further on ends there. */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, maxHeaderLength);
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  let params: Map<string, string> | undefined;
  for (;;) {
    take(separators);
    const name = take(token)?.[0]?.toLowerCase();
    if (name === undefined) return challenges;
    if (params !== undefined && take(equals) !== null) {
      const value = take(quoted)?.[1]?.replace(/\\(.)/g, "$1") ?? take(token)?.[0];
      if (value === undefined) return challenges;
      if (!params.has(name)) params.set(name, value);
      continue;
    }
    params = new Map();
    challenges.push({ scheme: name, params });
    take(space);
    if (!/^[^,=]*=[ \t]*[^=, \t]/.test(text.slice(at))) take(token68);
  }
}
