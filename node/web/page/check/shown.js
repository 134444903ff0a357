// Text of others, as a page may show it: it cannot turn, hide, or run off.

const NAME_MAX = 64;
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const MARKS = /(\p{M}{3})\p{M}+/gu;

/** Text of others as it may be shown: what cannot be seen stands as its number; cut when long. */
export function shown(text, max = NAME_MAX) {
  const plain = String(text ?? "–")
    .slice(0, 4 * max)
    .replace(MARKS, "$1")
    .replace(UNSEEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
  return plain.length > max ? `${plain.slice(0, max - 1)}…` : plain;
}
