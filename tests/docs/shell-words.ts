/** The simple commands of a few lines of shell, as words: as much of its grammar as documentation uses, and no more. */

/** Throws for what it does not understand (here documents, backquotes, open quotes). Redirections and assignments are left out. */
export function simpleCommands(text: string): string[][] {
  const found: string[][] = [[]];
  let word: string | undefined;
  let target = false;
  const end = () => {
    if (word !== undefined && !target) found.at(-1)?.push(word);
    if (word !== undefined) target = false;
    word = undefined;
  };
  const next = () => {
    end();
    if (target) throw new Error(`a redirection without a file: ${text}`);
    found.push([]);
  };
  for (let at = 0; at < text.length; at += 1) {
    const rest = text.slice(at);
    const symbol = text[at] ?? "";
    if (rest.startsWith("\\\n")) at += 1;
    else if (symbol === "\n") next();
    else if (symbol === " " || symbol === "\t") end();
    else if (symbol === "#" && word === undefined) at += rest.search(/$/m) - 1;
    else if (symbol === "`" || rest.startsWith("<<")) throw new Error(`not understood: ${rest}`);
    else if (rest.startsWith("$(")) {
      const length = closing(rest.slice(2)) + 3;
      word = (word ?? "") + rest.slice(0, length);
      at += length - 1;
    } else if (/^([<>]\(|\|\||&&|;;|[;&|()])/.test(rest)) {
      next();
      at += (/^([<>]\(|\|\||&&)/.exec(rest)?.[0].length ?? 1) - 1;
    } else if (/^(>>|>&|[<>])/.test(rest)) {
      // `2>`: the digit is not a word.
      if (word !== undefined && /^\d$/.test(word)) word = undefined;
      end();
      target = true;
      at += (/^(>>|>&)/.exec(rest)?.[0].length ?? 1) - 1;
    } else if (symbol === "'" || symbol === '"') {
      const length = quoted(rest, symbol);
      word = (word ?? "") + rest.slice(1, length);
      at += length;
    } else if (symbol === "\\") {
      word = (word ?? "") + (text[at + 1] ?? "");
      at += 1;
    } else word = (word ?? "") + symbol;
  }
  next();
  return found.map(withoutPrefix).filter((words) => words.length > 0);
}

/** Where the quote that `text` begins with is closed. */
function quoted(text: string, quote: string): number {
  for (let at = 1; at < text.length; at += 1) {
    if (text[at] === quote) return at;
    if (quote === "'") continue;
    if (text[at] === "\\") at += 1;
    else if (text.startsWith("$(", at)) at += closing(text.slice(at + 2)) + 2;
  }
  throw new Error(`a quote is open: ${text}`);
}

/** Where the parenthesis is closed that was opened before `text`. */
function closing(text: string): number {
  let depth = 1;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error(`$( is open: ${text}`);
}

/** What stands before a command and is none. */
function withoutPrefix(words: string[]): string[] {
  const first = words.findIndex(
    (word) => !/^([A-Za-z_]+=.*|sudo|exec|if|then|else|do|while|until|time|!|\{|\})$/.test(word),
  );
  return first < 0 ? [] : words.slice(first);
}
