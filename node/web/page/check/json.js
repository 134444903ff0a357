// JSON read strictly (RFC 8259), with the verdicts of the command line on each text that is none.
//
// JSON.parse cannot do it: it loses fields that stand twice and integers above 2^53, takes 1.0 for
// 1, and does not say where a text is wrong, so that one that was cut short would look forged.
// Integers become BigInt, objects a Map. Guarded by the differential test against the command line.

import { Refused, refuse } from "./verdicts.js";

const DEPTH_MAX = 32;
const COMMAS_MAX = 10_000;
const DIGITS_MAX = 20;
const BLANKS = /[ \t\n\r]+/y;
const PLAIN = /[^"\\\x00-\x1f]*/y;
const NUMBER = /(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = { null: null, true: true, false: false };
const FLOATS = ["NaN", "Infinity", "-Infinity"];

/** What stands in the place of a number that is no integer: no field takes one. */
export const FLOAT = Symbol("a number that is no integer");

/** What Python's str.rstrip takes away: a text ends where the command line says that it does. */
const TRAILING = new Set([
  ...[9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f],
  ...[0x3000, ...Array.from({ length: 11 }, (_, at) => 0x2000 + at)],
]);

/** The value that a text is. Throws Refused: `forged`, or `incomplete` where it ends too early. */
export function readJson(text) {
  checkBounds(text);
  if (text.startsWith("\ufeff")) refuse("not a receipt: it begins with a byte order mark");
  const reader = new Reader(text);
  const value = reader.value(reader.blanks(0));
  const end = reader.blanks(reader.at);
  if (end !== text.length) reader.fail("something follows", end);
  return value;
}

function checkBounds(text) {
  let depth = 0;
  let commas = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfText(text, at + 1);
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > DEPTH_MAX) {
        refuse(`not a receipt: more than ${DEPTH_MAX} lists and objects within one another`);
      }
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    else if (code === 0x2c) {
      commas += 1;
      if (commas > COMMAS_MAX) refuse(`not a receipt: not JSON (more than ${COMMAS_MAX} commas)`);
    }
  }
}

function endOfText(text, at) {
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at;
    at += code === 0x5c ? 2 : 1;
  }
  return at;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.end = text.length;
    while (this.end > 0 && TRAILING.has(text.charCodeAt(this.end - 1))) this.end -= 1;
    this.at = 0;
  }

  fail(what, at) {
    if (at >= this.end) throw early();
    refuse(`not a receipt: not JSON (${what} at character ${at})`);
  }

  blanks(at) {
    BLANKS.lastIndex = at;
    return BLANKS.test(this.text) ? BLANKS.lastIndex : at;
  }

  /** The value that begins at a place; `this.at` is then where it ended. */
  value(at) {
    const mark = this.text[at];
    if (mark === '"') return this.string(at + 1);
    if (mark === "{") return this.object(at + 1);
    if (mark === "[") return this.list(at + 1);
    if (mark >= "0" && mark <= "9") return this.number(at);
    for (const word of Object.keys(WORDS)) {
      if (this.text.startsWith(word, at)) {
        this.at = at + word.length;
        return WORDS[word];
      }
    }
    for (const word of FLOATS) {
      if (this.text.startsWith(word, at)) {
        this.at = at + word.length;
        return FLOAT;
      }
    }
    return this.number(at);
  }

  object(at) {
    const fields = new Map();
    let doubled = false;
    at = this.blanks(at);
    if (this.text[at] !== "}") {
      for (;;) {
        if (this.text[at] !== '"') this.fail("expected a name", at);
        const name = this.string(at + 1);
        at = this.blanks(this.at);
        if (this.text[at] !== ":") this.fail("expected ':'", at);
        const value = this.value(this.blanks(at + 1));
        doubled ||= fields.has(name);
        fields.set(name, value);
        at = this.blanks(this.at);
        if (this.text[at] === "}") break;
        if (this.text[at] !== ",") this.fail("expected ','", at);
        at = this.blanks(at + 1);
      }
    }
    if (doubled) refuse("not a receipt: not JSON (a field stands twice)");
    this.at = at + 1;
    return fields;
  }

  list(at) {
    const items = [];
    at = this.blanks(at);
    if (this.text[at] !== "]") {
      for (;;) {
        items.push(this.value(at));
        at = this.blanks(this.at);
        if (this.text[at] === "]") break;
        if (this.text[at] !== ",") this.fail("expected ','", at);
        at = this.blanks(at + 1);
      }
    }
    this.at = at + 1;
    return items;
  }

  string(at) {
    const { text } = this;
    let value = "";
    for (;;) {
      PLAIN.lastIndex = at;
      PLAIN.test(text);
      const next = PLAIN.lastIndex;
      if (text.charCodeAt(next) < 0x20) this.fail("a control character", next);
      if (next + (text[next] === "\\" ? 1 : 0) >= text.length) throw early();
      value += text.slice(at, next);
      if (text[next] === '"') {
        this.at = next + 1;
        return value;
      }
      const escape = text[next + 1];
      if (escape === "u") {
        const digits = text.slice(next + 2, next + 6);
        if (next + 6 >= text.length || !/^[0-9a-fA-F]{4}$/.test(digits)) {
          this.fail("a wrong escape", next + 1);
        }
        value += String.fromCharCode(parseInt(digits, 16));
        at = next + 6;
      } else {
        if (!Object.hasOwn(ESCAPES, escape)) this.fail("a wrong escape", next);
        value += ESCAPES[escape];
        at = next + 2;
      }
    }
  }

  number(at) {
    NUMBER.lastIndex = at;
    const match = NUMBER.exec(this.text);
    if (match === null) this.fail("expected a value", at);
    this.at = at + match[0].length;
    if (match[2] !== undefined || match[3] !== undefined) return FLOAT;
    if (match[1].replace("-", "").length > DIGITS_MAX) {
      refuse(`not a receipt: not JSON (an integer of more than ${DIGITS_MAX} digits)`);
    }
    return BigInt(match[1]);
  }
}

function early() {
  return new Refused("not a whole receipt: it ends too early", "incomplete");
}
