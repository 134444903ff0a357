// Can something be sealed to a hybrid public key, ML-KEM-768 and X25519? By its bytes alone: the
// modulus check of FIPS 203 §7.2, and that the point is of large order (RFC 7748 §6.1).

import { littleEndian } from "./bytes.js";
import { refuse } from "./verdicts.js";

export const HYBRID_SIZE = 1184 + 32;
const COEFFICIENT_BYTES = (3 * 256 * 12) / 8;
const LATTICE_SIZE = 1184;
const MODULUS = 3329;
const CURVE_PRIME = (1n << 255n) - 19n;
const LOW_ORDER = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  CURVE_PRIME - 1n,
];

/** Check a key, or refuse. */
export function checkHybrid(key) {
  if (key.length !== HYBRID_SIZE) refuse(`a hybrid public key has ${HYBRID_SIZE} bytes`);
  for (let at = 0; at < COEFFICIENT_BYTES; at += 3) {
    const [low, middle, high] = key.subarray(at, at + 3);
    if ((low | ((middle & 15) << 8)) >= MODULUS || ((middle >> 4) | (high << 4)) >= MODULUS) {
      refuse("not a hybrid public key: a coefficient is out of range");
    }
  }
  const coordinate = littleEndian(key.subarray(LATTICE_SIZE)) & ((1n << 255n) - 1n);
  if (LOW_ORDER.includes(coordinate % CURVE_PRIME)) {
    refuse("not a hybrid public key: a point of low order");
  }
}
