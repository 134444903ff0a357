// What a decoded value must be: fields of exactly these types, bounded lists, sized byte strings,
// names. Each check returns what it checked, or refuses.

import { utf8 } from "./bytes.js";
import { isName } from "./names.js";
import { refuse } from "./verdicts.js";

export const U64_MAX = (1n << 64n) - 1n;
const NAME_BYTES_MAX = 64;

/** The type of a decoded value, by the names that `fields` takes. */
function typeOf(value) {
  if (value instanceof Uint8Array) return "bytes";
  if (Array.isArray(value)) return "list";
  return { bigint: "int", string: "text", boolean: "bool" }[typeof value] ?? "none";
}

/** A list of exactly these types, written as "bytes int list …". */
export function fields(value, shape, name) {
  const types = shape.split(" ");
  if (!Array.isArray(value) || value.length !== types.length) {
    refuse(`${name}: expected ${types.length} fields`);
  }
  value.forEach((item, at) => {
    if (typeOf(item) !== types[at]) {
      refuse(`${name}: field ${at} is ${typeOf(item)}, expected ${types[at]}`);
    }
  });
  return value;
}

/** A byte string of this size. */
export function sized(value, size, name) {
  if (!(value instanceof Uint8Array) || value.length !== size) {
    refuse(`${name}: expected ${size} bytes`);
  }
  return value;
}

/** An integer in 0 … most, as a BigInt. */
export function unsigned(value, name, most = U64_MAX) {
  if (typeof value !== "bigint" || value < 0n || value > BigInt(most)) {
    refuse(`${name}: expected an integer in 0..${most}`);
  }
  return value;
}

/** A list of at most so many items. */
export function listed(value, name, most) {
  if (!Array.isArray(value) || value.length > most) {
    refuse(`${name}: expected a sequence of at most ${most}`);
  }
  return value;
}

/** A list of digests of 32 bytes. */
export function digests(value, name, most) {
  return listed(value, name, most).map((one) => sized(one, 32, name));
}

/** A name: 1 to 64 bytes of text without spaces. */
export function named(value, name) {
  if (typeof value !== "string" || value === "" || utf8(value).length > NAME_BYTES_MAX) {
    refuse(`${name}: expected 1..${NAME_BYTES_MAX} bytes of text`);
  }
  if (!isName(value) || value.includes(" ")) {
    refuse(`${name}: expected ASCII characters without spaces, or composed letters`);
  }
  return value;
}
