// Byte strings: hex, base64, order, integers. Owns no format of the ledger.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Int8Array(128).fill(-1);
for (let at = 0; at < 64; at += 1) VALUES[DIGITS.charCodeAt(at)] = at;
const encoder = new TextEncoder();
const HEX_DIGITS = "0123456789abcdef";

/** A text's UTF-8. */
export function utf8(text) {
  return encoder.encode(text);
}

/** The text that bytes are in UTF-8, or null: strict, and a byte order mark is a character. */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Lowercase hex. */
export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX_DIGITS[byte >> 4] + HEX_DIGITS[byte & 15];
  return text;
}

/** The 32 bytes that 64 lowercase hex digits are, or null. */
export function digestFromHex(text) {
  if (typeof text !== "string" || !/^[0-9a-f]{64}$/.test(text) || text.length !== 64) return null;
  return Uint8Array.from({ length: 32 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** The bytes of a base64 text (RFC 4648 §4), or null: padded, no blank, spare bits zero. */
export function fromBase64(text) {
  if (typeof text !== "string" || text.length % 4 !== 0) return null;
  let digits = text.length;
  while (digits > 0 && text.length - digits < 2 && text[digits - 1] === "=") digits -= 1;
  const bytes = new Uint8Array((digits * 3) >> 2);
  let held = 0;
  let bits = 0;
  let size = 0;
  for (let at = 0; at < digits; at += 1) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? VALUES[code] : -1;
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[size] = (held >> bits) & 255;
      size += 1;
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

/** Several byte strings, one after the other. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Are two byte strings the same? */
export function equal(one, other) {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}

/** Order of byte strings: negative, 0 or positive. */
export function compare(one, other) {
  const shorter = Math.min(one.length, other.length);
  for (let at = 0; at < shorter; at += 1) {
    if (one[at] !== other[at]) return one[at] - other[at];
  }
  return one.length - other.length;
}

/** Order of texts by code points: that of their UTF-8, and not of UTF-16. */
export function compareTexts(one, other) {
  return compare(utf8(one), utf8(other));
}

/** Order of tuples of texts and byte strings of the same shape. */
export function compareTuples(one, other) {
  for (let at = 0; at < one.length; at += 1) {
    const order =
      typeof one[at] === "string" ? compareTexts(one[at], other[at]) : compare(one[at], other[at]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Is each item greater than the one before it? */
export function ascending(items, order) {
  return items.every((item, at) => at === 0 || order(items[at - 1], item) < 0);
}

/** Do no two byte strings agree? */
export function distinct(items) {
  return new Set(items.map(hex)).size === items.length;
}

/** Is every byte zero? */
export function isZero(bytes) {
  return bytes.every((byte) => byte === 0);
}

/** An unsigned integer from bytes, big-endian. */
export function bigEndian(bytes) {
  return bytes.length === 0 ? 0n : BigInt(`0x${hex(bytes)}`);
}

/** An unsigned integer from bytes, little-endian. */
export function littleEndian(bytes) {
  return bigEndian(bytes.slice().reverse());
}

/** An integer as so many bytes, big-endian. */
export function toBigEndian(value, size) {
  const bytes = new Uint8Array(size);
  let left = BigInt(value);
  for (let at = size - 1; at >= 0; at -= 1) {
    bytes[at] = Number(left & 255n);
    left >>= 8n;
  }
  return bytes;
}
