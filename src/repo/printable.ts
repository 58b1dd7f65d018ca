/** Bytes from a repository, made safe for a terminal. */

// Controls, C1 controls, and the characters that reorder or hide text on a screen.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const unsafeAll = new RegExp(unsafe.source, "gu");
const named: Record<string, string> = { "\n": "\\n", "\t": "\\t", "\r": "\\r" };

/**
 * A name as text: as it is when it is harmless UTF-8, else in double quotes with C escapes (`\n`, `\xff`, `\u202e`),
 * so that two different names never look the same.
 */
export function printable(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = buffer.toString("utf8");
  const exact = Buffer.from(text, "utf8").equals(buffer);
  if (exact && !unsafe.test(text) && !text.startsWith('"')) return text;
  const quoted = exact ? escapeText(text) : escapeBytes(buffer);
  return `"${quoted}"`;
}

function escapeText(text: string): string {
  return text.replace(/["\\]/g, "\\$&").replace(unsafeAll, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return named[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`);
  });
}

function escapeBytes(buffer: Buffer): string {
  let out = "";
  for (const byte of buffer) {
    out += byte < 0x80 ? escapeText(String.fromCharCode(byte)) : `\\x${hex(byte, 2)}`;
  }
  return out;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
