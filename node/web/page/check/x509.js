// One X.509 v3 certificate (RFC 5280) in the manufacturer's profile: what it says, not who signed.
//
// Signed with RSASSA-PSS, SHA-384, MGF1-SHA-384 and a salt of 48 bytes (RFC 4055); the key is RSA,
// or elliptic on P-384. Anything else is refused, as the command line refuses it. Extensions
// that it would read and this page cannot give no verdict.

import { bigEndian, compare, equal, hex, textOf } from "./bytes.js";
import { isPoint } from "./crypto.js";
import { Elements, TAG, element } from "./der.js";
import { cannotCheck, refuse } from "./verdicts.js";

const CERTIFICATE_BYTES_MAX = 4096;
const OID = {
  pss: "1.2.840.113549.1.1.10",
  mgf1: "1.2.840.113549.1.1.8",
  rsa: "1.2.840.113549.1.1.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  elliptic: "1.2.840.10045.2.1",
  p384: "1.3.132.0.34",
};
export const ORGANISATION_NAME = "2.5.4.10";
export const COMMON_NAME = "2.5.4.3";
export const BASIC_CONSTRAINTS = "2.5.29.19";
export const KEY_USAGE = "2.5.29.15";
const SUBJECT_KEY = "2.5.29.14";
const AUTHORITY_KEY = "2.5.29.35";
const REVOCATION_POINTS = "2.5.29.31";
/** What the command line would read, and refuse if it is malformed. */
const READ_ELSEWHERE = [
  ...[16, 17, 18, 30, 32, 36, 37, 46, 54].map((last) => `2.5.29.${last}`),
  ...["1.1", "1.11", "1.24", "48.1.5"].map((last) => `1.3.6.1.5.5.7.${last}`),
  ...["2", "3", "5"].map((last) => `1.3.6.1.4.1.11129.2.4.${last}`),
  "1.3.6.1.4.1.311.21.7",
  "1.3.36.8.3.3",
];
const UNIQUE_IDENTIFIER = "2.5.4.45";
const TEXT_TAGS = [4, 12, 18, 19, 20, 22, 23, 24, 26];
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

/** Read a certificate. */
export function readCertificate(der) {
  if (der.length > CERTIFICATE_BYTES_MAX) refuse("certificate-form: too long");
  const outer = new Elements(der);
  const parts = outer.inside();
  outer.end();
  const tbs = parts.read(TAG.SEQUENCE);
  const algorithm = parts.read(TAG.SEQUENCE);
  const signature = parts.bitString();
  parts.end();
  if (signature.unused !== 0) refuse("certificate-form: a signature has whole octets");
  checkAlgorithm(algorithm.body);
  const read = readSigned(new Elements(tbs.body), algorithm.whole);
  return { ...read, signed: tbs.whole, signature: signature.bits };
}

function readSigned(parts, algorithm) {
  const version = parts.inside(0xa0);
  if (version.small() !== 2) refuse("certificate-form: not version 3");
  version.end();
  parts.integer();
  if (!equal(parts.read(TAG.SEQUENCE).whole, algorithm)) {
    refuse("certificate-signature: two signature algorithms");
  }
  const issuer = parts.read(TAG.SEQUENCE);
  readName(issuer.body);
  const validity = parts.inside();
  const [notBefore, notAfter] = [readTime(validity), readTime(validity)];
  validity.end();
  const subject = parts.read(TAG.SEQUENCE);
  const attributes = readName(subject.body);
  const key = readKey(parts.read(TAG.SEQUENCE));
  for (const tag of [0x81, 0x82]) if (parts.next === tag) parts.bitString(tag);
  const extensions = parts.next < 0 ? new Map() : readExtensions(parts.inside(0xa3));
  parts.end();
  return {
    issuer: issuer.whole,
    subject: subject.whole,
    attributes,
    notBefore,
    notAfter,
    key,
    extensions,
  };
}

function checkAlgorithm(body) {
  const parts = new Elements(body);
  if (parts.oid() !== OID.pss) refuse("certificate-algorithm: not RSASSA-PSS");
  const pss = parts.inside();
  parts.end();
  const hash = pss.inside(0xa0);
  checkHash(hash.inside());
  hash.end();
  const mask = pss.inside(0xa1);
  const generator = mask.inside();
  mask.end();
  if (generator.oid() !== OID.mgf1) refuse("certificate-algorithm: not MGF1");
  checkHash(generator.inside());
  generator.end();
  const salt = pss.inside(0xa2);
  if (salt.small() !== 48) refuse("certificate-algorithm: not a salt of 48 bytes");
  salt.end();
  readTrailer(pss);
}

/** AMD writes the trailer field, though 1 is its default: RFC 4055 §3.1 says to take it. */
function readTrailer(pss) {
  if (pss.next >= 0) {
    const trailer = pss.inside(0xa3);
    if (trailer.small() > 255) refuse("certificate-algorithm: a trailer field");
    trailer.end();
  }
  pss.end();
}

function checkHash(parts) {
  if (parts.oid() !== OID.sha384) refuse("certificate-algorithm: not SHA-384");
  readNull(parts);
}

function readNull(parts) {
  if (parts.next >= 0 && parts.read(TAG.NULL).body.length !== 0) refuse("certificate-form: null");
  parts.end();
}

/** The attributes of a name: a list of [object identifier, text]. */
function readName(body) {
  const attributes = [];
  const names = new Elements(body);
  while (names.next >= 0) {
    const set = names.inside(TAG.SET);
    if (set.next < 0) refuse("certificate-form: an empty set");
    const seen = new Set();
    let before = null;
    while (set.next >= 0) {
      const one = set.read(TAG.SEQUENCE);
      if (before !== null && compare(before, one.whole) > 0) refuse("certificate-form: a set");
      before = one.whole;
      const pair = new Elements(one.body);
      const oid = pair.oid();
      const value = pair.read();
      pair.end();
      const text = attributeText(value, oid);
      attributes.push([oid, text]);
      // Compared as text, whatever its type; a bit string is none, and its bytes are compared.
      const own = value.tag === TAG.BIT_STRING ? `bits ${hex(value.body)}` : `text ${text}`;
      if (seen.has(`${oid} ${own}`)) refuse("certificate-form: an attribute stands twice");
      seen.add(`${oid} ${own}`);
    }
  }
  return attributes;
}

function attributeText({ tag, body }, oid) {
  if (tag === TAG.BIT_STRING && oid === UNIQUE_IDENTIFIER) return "";
  const text = tag === 30 || tag === 28 ? wideText(body, tag === 30 ? 2 : 4) : textOf(body);
  const known = TEXT_TAGS.includes(tag) || tag === 30 || tag === 28;
  if (!known || text === null || (tag === 19 && !PRINTABLE.test(text))) {
    refuse("certificate-form: a name");
  }
  return text;
}

function wideText(body, width) {
  if (body.length % width !== 0) return null;
  if (width === 2) {
    try {
      return new TextDecoder("utf-16be", { fatal: true, ignoreBOM: true }).decode(body);
    } catch {
      return null;
    }
  }
  let text = "";
  for (let at = 0; at < body.length; at += 4) {
    const code = Number(bigEndian(body.subarray(at, at + 4)));
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return null;
    text += String.fromCodePoint(code);
  }
  return text;
}

/** A moment in Unix milliseconds, as a BigInt. */
function readTime(parts) {
  const { tag, body } = parts.read();
  const text = textOf(body) ?? "";
  const match = (
    tag === 0x17 ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
    : tag === 0x18 ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
    : /^$/
  ).exec(text);
  if (match === null || match.length < 7) refuse("certificate-form: a time");
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const full = tag === 0x17 ? year + (year < 50 ? 2000 : 1900) : year;
  const moment = new Date(0);
  moment.setUTCFullYear(full, month - 1, day);
  moment.setUTCHours(hour, minute, second);
  const kept = [moment.getUTCFullYear(), moment.getUTCMonth() + 1, moment.getUTCDate()];
  if (String(kept) !== String([full, month, day]) || full < 1) refuse("certificate-form: a time");
  if (hour > 23 || minute > 59 || second > 59) refuse("certificate-form: a time");
  return BigInt(moment.getTime());
}

/** {kind, spki, …}: `spki` is its SubjectPublicKeyInfo, in the one form that manufacturers write:
 * rsaEncryption with NULL, or P-384 by its name with an uncompressed point. */
function readKey({ body, whole }) {
  const key = keyOf(new Elements(body));
  if (!equal(key.spki, whole)) refuse("certificate-algorithm: a key in another form");
  return key;
}

function keyOf(parts) {
  const algorithm = parts.inside();
  const oid = algorithm.oid();
  if (oid === OID.rsa) {
    readNull(algorithm);
    return rsaKey(wholeBits(parts));
  }
  if (oid !== OID.elliptic || algorithm.oid() !== OID.p384) {
    refuse("certificate-algorithm: another kind of key");
  }
  algorithm.end();
  const point = wholeBits(parts);
  if (!isPoint(point)) refuse("certificate-form: not a point of P-384, uncompressed");
  const named = element(
    TAG.SEQUENCE,
    element(TAG.OID, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01)),
    element(TAG.OID, Uint8Array.of(0x2b, 0x81, 0x04, 0x00, 0x22)),
  );
  const bits = element(TAG.BIT_STRING, Uint8Array.of(0), point);
  return { kind: "p384", point, spki: element(TAG.SEQUENCE, named, bits) };
}

function wholeBits(parts) {
  const { unused, bits } = parts.bitString();
  parts.end();
  if (unused !== 0) refuse("certificate-form: a key has whole octets");
  return bits;
}

function rsaKey(bits) {
  const whole = new Elements(bits);
  const numbers = whole.inside();
  whole.end();
  const [modulus, exponent] = [numbers.integer(), numbers.integer()];
  numbers.end();
  if (modulus[0] >= 0x80 || exponent[0] >= 0x80) refuse("certificate-form: an RSA key");
  const rsaEncryption = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);
  const algorithm = element(TAG.SEQUENCE, element(TAG.OID, rsaEncryption), element(TAG.NULL));
  const key = element(
    TAG.SEQUENCE,
    element(TAG.INTEGER, modulus),
    element(TAG.INTEGER, exponent),
  );
  const spki = element(
    TAG.SEQUENCE,
    algorithm,
    element(TAG.BIT_STRING, Uint8Array.of(0), key),
  );
  return { kind: "rsa", modulus: magnitude(modulus), exponent: magnitude(exponent), spki };
}

function magnitude(integer) {
  return integer[0] === 0 ? integer.subarray(1) : integer;
}

/** Extensions by object identifier: {value, …what it says}; one that is critical and unknown is
 * refused (RFC 5280 §4.2). */
function readExtensions(outer) {
  const list = outer.inside();
  outer.end();
  const found = new Map();
  while (list.next >= 0) {
    const parts = list.inside();
    const oid = parts.oid();
    const critical = parts.next === TAG.BOOLEAN;
    if (critical && !parts.boolean()) refuse("certificate-form: a default that is written");
    const value = parts.read(TAG.OCTET_STRING).body;
    parts.end();
    if (found.has(oid)) refuse("certificate-form: an extension stands twice");
    if (critical && oid !== BASIC_CONSTRAINTS && oid !== KEY_USAGE) {
      refuse(`certificate-extension: critical extension ${oid}`);
    }
    found.set(oid, { value, ...readExtension(oid, value) });
  }
  return found;
}

function readExtension(oid, value) {
  const parts = new Elements(value);
  if (oid === BASIC_CONSTRAINTS) return readConstraints(parts);
  if (oid === KEY_USAGE) return readUsage(parts);
  if (oid === SUBJECT_KEY) parts.read(TAG.OCTET_STRING);
  else if (oid === AUTHORITY_KEY) readAuthorityKey(parts);
  else if (oid === REVOCATION_POINTS) readPoints(parts);
  else if (READ_ELSEWHERE.includes(oid)) cannotCheck(`a certificate has the extension ${oid}`);
  else return { raw: true };
  parts.end();
  return {};
}

function readConstraints(outer) {
  const parts = outer.inside();
  outer.end();
  const authority = parts.next === TAG.BOOLEAN;
  if (authority && !parts.boolean()) refuse("certificate-form: a default that is written");
  const pathLength = parts.next >= 0 ? parts.small() : null;
  parts.end();
  if (!authority && pathLength !== null) refuse("certificate-form: basic constraints");
  return { authority, pathLength };
}

function readUsage(outer) {
  const { bits } = outer.bitString();
  outer.end();
  const has = (bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
  if (!has(4) && (has(7) || has(8))) refuse("certificate-form: key usage");
  return { maySignCertificates: has(5) };
}

function readAuthorityKey(outer) {
  const parts = outer.inside();
  if (parts.next === 0x80) parts.read();
  if (parts.next >= 0) cannotCheck("a certificate names its issuer's key by more than its id");
}

function readPoints(outer) {
  const points = outer.inside();
  while (points.next >= 0) {
    const point = points.inside();
    const name = point.next === 0xa0 ? point.inside(0xa0) : cannotCheck("a revocation point");
    const full = name.next === 0xa0 ? name.inside(0xa0) : cannotCheck("a revocation point");
    if (full.next < 0 || point.next >= 0 || name.next >= 0) cannotCheck("a revocation point");
    while (full.next >= 0) {
      const uri = full.next === 0x86 ? full.read() : cannotCheck("a revocation point");
      if (!/^[\x00-\x7f]*$/.test(textOf(uri.body) ?? "\u0080")) refuse("certificate-form: an URI");
    }
  }
}

/** The text of the one attribute of this kind; empty where there is none or several. */
export function attribute(certificate, oid) {
  const found = certificate.attributes.filter(([own]) => own === oid);
  return found.length === 1 ? found[0][1] : "";
}
