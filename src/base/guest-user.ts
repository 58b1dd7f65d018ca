/** Who a command in a guest runs as, as people ask for it; an image's own word is its publisher's, and may be anything. */
export const guestUserRule = "must be USER or USER:GROUP, names or numbers";

export function isGuestUser(text: string): boolean {
  return text.length <= 256 && /^[^:\p{Cc}]+(:[^:\p{Cc}]+)?$/u.test(text);
}
