/** Stages for people: a line each, with how long it took; a bar on a terminal where there is something to count. */

const tty = process.stderr.isTTY === true;
const colour = tty && !process.env.NO_COLOR;
const dim = (text) => (colour ? `\x1b[2m${text}\x1b[0m` : text);
const clear = tty ? "\r\x1b[K" : "";

/**
 * Runs one stage. `update(fraction, text)` moves its bar; both may be undefined.
 * @template T
 * @param {string} title
 * @param {(update: (fraction?: number, text?: string) => void) => Promise<T>} body
 * @returns {Promise<T>}
 */
export async function stage(title, body) {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)}s`;
  let fraction;
  let text = "";
  let lastPlain = 0;
  const draw = () => {
    const bar =
      fraction === undefined
        ? ""
        : ` [${"#".repeat(Math.round(fraction * 24)).padEnd(24, ".")}] ${Math.round(fraction * 100)}%`;
    const columns = process.stderr.columns ?? 80;
    process.stderr.write(`${clear}${`${title}${bar} ${seconds()} ${text}`.slice(0, columns - 1)}`);
  };
  const update = (nextFraction, nextText) => {
    fraction = nextFraction ?? fraction;
    text = nextText ?? text;
    if (tty) draw();
    else if (text !== "" && performance.now() - lastPlain > 5000) {
      lastPlain = performance.now();
      process.stderr.write(`  ${title}: ${text}\n`);
    }
  };
  const ticker = tty ? setInterval(draw, 200) : undefined;
  if (tty) draw();
  else process.stderr.write(`${title} ...\n`);
  try {
    const result = await body(update);
    process.stderr.write(`${clear}${title} ${dim(`done in ${seconds()}`)}\n`);
    return result;
  } catch (error) {
    process.stderr.write(`${clear}${title} failed after ${seconds()}\n`);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

/** @param {string} text */
export function note(text) {
  process.stderr.write(`${text}\n`);
}
