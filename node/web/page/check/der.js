// DER (X.690) read strictly: one encoding of each thing, all of it read, nothing behind it.
//
// Owns tags, lengths and the plain types; what a certificate is made of stands in x509.js.

import { concat } from "./bytes.js";
import { refuse } from "./verdicts.js";

export const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  SEQUENCE: 0x30,
  SET: 0x31,
};

const OID_BYTES_MAX = 63;

/** What stands in a DER encoding: read one element after the other, then `end`. */
export class Elements {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The tag of the next element; -1 at the end. */
  get next() {
    return this.at < this.bytes.length ? this.bytes[this.at] : -1;
  }

  /** The next element, which must have this tag unless it is null: {tag, body, whole}. */
  read(tag = null) {
    const begin = this.at;
    const { bytes } = this;
    const own = this.next;
    if (own < 0 || (own & 0x1f) === 0x1f || (tag !== null && own !== tag)) {
      refuse("certificate-form: not the DER that is expected");
    }
    let size = bytes[begin + 1] ?? refuse("certificate-form: it ends too early");
    let at = begin + 2;
    if (size >= 0x80) {
      const width = size - 0x80;
      if (width < 1 || width > 3 || at + width > bytes.length) refuse("certificate-form: length");
      size = 0;
      for (let more = 0; more < width; more += 1) size = size * 256 + bytes[at + more];
      if (size < 0x80 || size < 256 ** (width - 1)) refuse("certificate-form: a long length");
      at += width;
    }
    if (at + size > bytes.length) refuse("certificate-form: it ends too early");
    this.at = at + size;
    return { tag: own, body: bytes.subarray(at, this.at), whole: bytes.subarray(begin, this.at) };
  }

  /** The elements within the next one. */
  inside(tag = TAG.SEQUENCE) {
    return new Elements(this.read(tag).body);
  }

  /** Check that nothing is left. */
  end() {
    if (this.at !== this.bytes.length) refuse("certificate-form: something follows");
  }

  /** The next element as an integer's bytes, in the shortest form. */
  integer(tag = TAG.INTEGER) {
    const { body } = this.read(tag);
    const padded =
      body.length > 1 && ((body[0] === 0 && body[1] < 0x80) || (body[0] === 255 && body[1] > 127));
    if (body.length === 0 || padded) refuse("certificate-form: an integer in a longer form");
    return body;
  }

  /** The next element as an integer of 0 … 65535. */
  small() {
    const body = this.integer();
    if (body[0] >= 0x80 || body.length > 3 || (body.length === 3 && body[0] !== 0)) {
      refuse("certificate-form: an integer that is too great");
    }
    return body.reduce((value, byte) => value * 256 + byte, 0);
  }

  /** The next element as true or false. */
  boolean() {
    const { body } = this.read(TAG.BOOLEAN);
    const plain = body.length === 1 && (body[0] === 0 || body[0] === 255);
    if (!plain) refuse("certificate-form: a boolean");
    return body[0] === 255;
  }

  /** The next element as an object identifier in dotted digits. */
  oid() {
    return dotted(this.read(TAG.OID).body);
  }

  /** The next element as {unused, bits} of a bit string. */
  bitString(tag = TAG.BIT_STRING) {
    const { body } = this.read(tag);
    const unused = body[0];
    const last = body[body.length - 1];
    const wrong = body.length === 0 || unused > 7 || (body.length === 1 && unused > 0);
    if (wrong || (last & ((1 << unused) - 1) && body.length > 1)) {
      refuse("certificate-form: a bit string");
    }
    return { unused, bits: body.subarray(1) };
  }
}

function dotted(body) {
  if (body.length > OID_BYTES_MAX) refuse("certificate-form: a long object identifier");
  const parts = [];
  let value = 0n;
  let fresh = true;
  for (const byte of body) {
    if (fresh && byte === 0x80) refuse("certificate-form: an object identifier");
    value = (value << 7n) | BigInt(byte & 0x7f);
    fresh = byte < 0x80;
    if (value >= 1n << 127n) refuse("certificate-form: an object identifier");
    if (!fresh) continue;
    if (parts.length === 0) {
      const first = value < 80n ? value / 40n : 2n;
      parts.push(first, value - 40n * first);
    } else parts.push(value);
    value = 0n;
  }
  if (!fresh || parts.length === 0) refuse("certificate-form: an object identifier");
  return parts.join(".");
}

/** An element of this tag around these bytes. */
export function element(tag, ...parts) {
  const body = concat(...parts);
  const size = [];
  for (let left = body.length; left > 0; left = Math.floor(left / 256)) size.unshift(left % 256);
  const head = body.length < 0x80 ? [body.length] : [0x80 + size.length, ...size];
  return concat(Uint8Array.of(tag, ...head), body);
}
