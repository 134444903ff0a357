// One block as a row, and who signed it: shared by the live table and a block's own view.

import { el, name } from "./dom.js";
import { age, moment, number, size } from "./words.js";

const NAMED_MAX = 7;

/** A block's head as a row: {line, tick}, where `tick` writes its age anew. */
export function row(head, names) {
  const old = el("td.num.quiet", { title: moment(head.time_ms) }, "");
  const line = el(
    "tr",
    null,
    old,
    el(
      "td.num",
      null,
      el("a", { href: `#/block/${head.height}`, "data-row": true }, number(head.height)),
    ),
    el("td", null, dot(names, head.proposer), name(head.proposer, 14)),
    el(`td.num${head.count ? "" : ".quiet"}`, null, number(head.count)),
    el(
      `td.num.wide${head.bytes ? "" : ".quiet"}`,
      { title: `${head.bytes} bytes` },
      size(head.bytes),
    ),
    el("td.mid", null, signed(head.signers, names)),
  );
  return { line, old, time: head.time_ms, age: () => age(head.time_ms) };
}

/** The colour of a validator: its place in the epoch. */
export function dot(names, who) {
  return el(`i.dot.by${Math.max(0, names.indexOf(who)) % 8}`, null);
}

/** Who signed, as names; of many validators how many. */
export function signed(signers, names) {
  if (!Array.isArray(signers))
    return el(
      "span.quiet",
      { title: "No certificate of its own: a later block's certificate covers it" },
      "by a later block",
    );
  if (names.length > NAMED_MAX) return `${signers.length} of ${names.length}`;
  const others = names.filter((one) => !signers.includes(one));
  const why = "Not in this certificate; a quorum is enough";
  return el(
    "span.signers",
    null,
    signers.slice(0, NAMED_MAX).map((one) => el("span.chip", null, name(one, 10))),
    others.map((one) => el("span.chip.off", { title: why }, name(one, 10))),
  );
}
