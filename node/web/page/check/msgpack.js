// Canonical msgpack: null, true and false, integers of 64 bits (as BigInt), texts (UTF-8), byte
// strings (Uint8Array) and lists of them. Every value has one encoding; other forms are refused.
//
// The form is that of spec.md in msgpack/msgpack. Shapes of what was read: shapes.js.

import { concat, textOf, toBigEndian, utf8 } from "./bytes.js";
import { refuse } from "./verdicts.js";

const DEPTH_MAX = 32;
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

/** Decode exactly one canonical value that fills the bytes. */
export function decode(bytes, sizeMax = MESSAGE_BYTES_MAX) {
  if (bytes.length > sizeMax) refuse(`${bytes.length} bytes, at most ${sizeMax} are taken`);
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) refuse("not one msgpack value: bytes follow it");
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(size) {
    if (size > this.bytes.length - this.at) refuse("not one msgpack value: it ends too early");
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  unsigned(size) {
    return this.take(size).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** A size in one of three forms, the shortest that holds it; `least` is what the form below it
   * cannot hold. */
  size(width, least) {
    const size = Number(this.unsigned(width));
    if (size < least) refuse("not canonical: a longer form than needed");
    return size;
  }

  integer(width, least) {
    const value = this.unsigned(width);
    if (value < least) refuse("not canonical: a longer form than needed");
    return value;
  }

  negative(width, most) {
    const value = BigInt.asIntN(8 * width, this.unsigned(width));
    if (value >= most) refuse("not canonical: a longer form than needed");
    return value;
  }

  text(size) {
    const text = textOf(this.take(size));
    if (text === null) refuse("not one msgpack value: a text that is not UTF-8");
    return text;
  }

  list(size, depth) {
    if (depth >= DEPTH_MAX) refuse(`more than ${DEPTH_MAX} sequences within sequences`);
    if (size > this.bytes.length - this.at) refuse("not one msgpack value: it ends too early");
    const items = [];
    for (let at = 0; at < size; at += 1) items.push(this.value(depth + 1));
    return items;
  }

  value(depth) {
    const head = this.take(1)[0];
    if (head < 0x80) return BigInt(head);
    if (head >= 0xe0) return BigInt(head - 256);
    if (head >= 0xa0 && head < 0xc0) return this.text(head - 0xa0);
    if (head >= 0x90 && head < 0xa0) return this.list(head - 0x90, depth);
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.take(this.size(1, 0));
      case 0xc5: return this.take(this.size(2, 1 << 8));
      case 0xc6: return this.take(this.size(4, 1 << 16));
      case 0xcc: return this.integer(1, 0x80n);
      case 0xcd: return this.integer(2, 1n << 8n);
      case 0xce: return this.integer(4, 1n << 16n);
      case 0xcf: return this.integer(8, 1n << 32n);
      case 0xd0: return this.negative(1, -32n);
      case 0xd1: return this.negative(2, -(1n << 7n));
      case 0xd2: return this.negative(4, -(1n << 15n));
      case 0xd3: return this.negative(8, -(1n << 31n));
      case 0xd9: return this.text(this.size(1, 32));
      case 0xda: return this.text(this.size(2, 1 << 8));
      case 0xdb: return this.text(this.size(4, 1 << 16));
      case 0xdc: return this.list(this.size(2, 16), depth);
      case 0xdd: return this.list(this.size(4, 1 << 16), depth);
      default: return refuse("a map, a float or an extension type where none may stand");
    }
  }
}

/** The canonical encoding of a value whose integers are not negative. */
export function encode(value) {
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === "bigint" || typeof value === "number") return encodeInteger(BigInt(value));
  if (typeof value === "string") {
    const bytes = utf8(value);
    return concat(head(bytes.length, [0xa0, 32], [0xd9, 0xda, 0xdb]), bytes);
  }
  if (value instanceof Uint8Array) {
    return concat(head(value.length, [0, 0], [0xc4, 0xc5, 0xc6]), value);
  }
  return concat(head(value.length, [0x90, 16], [null, 0xdc, 0xdd]), ...value.map(encode));
}

function encodeInteger(value) {
  if (value < 0x80n) return Uint8Array.of(Number(value));
  const forms = [[1, 0xcc], [2, 0xcd], [4, 0xce], [8, 0xcf]];
  const [size, first] = forms.find(([width]) => value < 1n << BigInt(8 * width));
  return concat(Uint8Array.of(first), toBigEndian(value, size));
}

function head(size, [short, shortMax], [one, two, four]) {
  if (size < shortMax) return Uint8Array.of(short + size);
  if (one !== null && size < 1 << 8) return Uint8Array.of(one, size);
  if (size < 1 << 16) return concat(Uint8Array.of(two), toBigEndian(size, 2));
  return concat(Uint8Array.of(four), toBigEndian(size, 4));
}
