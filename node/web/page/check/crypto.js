// Digests and signatures by WebCrypto, and nothing else. A browser that lacks one of them gives no
// verdict: there is no replacement in script.

import { bigEndian, concat, hex, utf8 } from "./bytes.js";
import { cannotCheck } from "./verdicts.js";

const NO_DIGEST = new Uint8Array(32);
const KEYS_MAX = 4096;
const keys = new Map();

/** The order of P-384's base point (FIPS 186-4, D.1.2.4): r and s of a signature are below it. */
const P384_ORDER = BigInt(
  "0xffffffffffffffffffffffffffffffffffffffffffffffff" +
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
);

function subtle() {
  const found = globalThis.crypto?.subtle;
  if (!found) cannotCheck("this browser lends no cryptography to this page");
  return found;
}

/** SHA-256, 32 bytes. */
export async function sha256(bytes) {
  return new Uint8Array(await subtle().digest("SHA-256", bytes));
}

/** A purpose label of this ledger. */
export function label(purpose) {
  return utf8(`strongroom/1/${purpose}`);
}

/** SHA-256 over a purpose label, a zero byte and the data. */
export async function labelledDigest(purpose, ...data) {
  return sha256(concat(label(purpose), Uint8Array.of(0), ...data));
}

/** What is signed: label, zero byte, chain (32 bytes; zeros where there is none yet), data. */
export function bound(purpose, chain, data) {
  return concat(label(purpose), Uint8Array.of(0), chain ?? NO_DIGEST, data);
}

// RFC 8032 §7.1, test 1: what can check this can check everything that is asked of Ed25519 here.
const PROBE_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const PROBE_SIGNATURE =
  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
  "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
let probed = null;

/** Does this browser verify Ed25519 at all? Refuses with `cannot check` where it does not. */
export async function checkAbilities() {
  subtle();
  probed ??= verifyEd25519(unhex(PROBE_KEY), unhex(PROBE_SIGNATURE), new Uint8Array(0)).catch(
    () => false,
  );
  if (!(await probed)) cannotCheck("this browser does not know Ed25519");
}

function unhex(text) {
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

async function imported(name, form, data, algorithm) {
  const cached = keys.get(name);
  if (cached !== undefined) return cached;
  let key;
  try {
    key = await subtle().importKey(form, data, algorithm, false, ["verify"]);
  } catch (error) {
    if (error?.name === "NotSupportedError") cannotCheck(`this browser lacks ${algorithm.name}`);
    key = null;
  }
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(name, key);
  return key;
}

/** Does this Ed25519 signature (RFC 8032) verify? A malformed key or signature does not. */
export async function verifyEd25519(key, signature, message) {
  const name = `ed25519 ${hex(key)}`;
  const taken = await imported(name, "raw", key, { name: "Ed25519" });
  return taken !== null && (await subtle().verify({ name: "Ed25519" }, taken, signature, message));
}

/** Does an ECDSA signature over P-384 and SHA-384 verify? The point is uncompressed, 97 bytes. */
export async function verifyP384(point, r, s, message) {
  if (r < 1n || s < 1n || r >= P384_ORDER || s >= P384_ORDER) return false;
  const algorithm = { name: "ECDSA", namedCurve: "P-384" };
  const taken = await imported(`p384 ${hex(point)}`, "raw", point, algorithm);
  const signature = unhex([r, s].map((one) => one.toString(16).padStart(96, "0")).join(""));
  const scheme = { name: "ECDSA", hash: "SHA-384" };
  return taken !== null && (await subtle().verify(scheme, taken, signature, message));
}

/** Does an RSASSA-PSS signature verify, with SHA-384, MGF1-SHA-384 and a salt of 48 bytes? */
export async function verifyPss({ modulus, exponent }, signature, message) {
  const key = { kty: "RSA", n: base64Url(modulus), e: base64Url(exponent), alg: "PS384" };
  const algorithm = { name: "RSA-PSS", hash: "SHA-384" };
  const taken = await imported(`pss ${hex(modulus)} ${hex(exponent)}`, "jwk", key, algorithm);
  if (taken === null) return false;
  return subtle().verify({ name: "RSA-PSS", saltLength: 48 }, taken, signature, message);
}

function base64Url(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The prime of P-384 (FIPS 186-4, D.1.2.4) and the b of its equation. */
const PRIME = (1n << 384n) - (1n << 128n) - (1n << 96n) + (1n << 32n) - 1n;
const B = BigInt(
  "0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe814112" +
    "0314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
);

/** Is this an uncompressed point of P-384 (SEC 1 §2.3.4)? */
export function isPoint(point) {
  if (point.length !== 97 || point[0] !== 4) return false;
  const [x, y] = [bigEndian(point.subarray(1, 49)), bigEndian(point.subarray(49))];
  return x < PRIME && y < PRIME && mod(y * y) === curve(x);
}

function mod(value) {
  const rest = value % PRIME;
  return rest < 0n ? rest + PRIME : rest;
}

function curve(x) {
  return mod(x * x * x - 3n * x + B);
}
