// The checker as a person sees it: a receipt, a pin, the steps, the verdict. Reads a file that the
// person chooses; sends, stores and fetches nothing. What is checked: receipt.js.

import { JSON_BYTES_MAX } from "./form.js";
import { COMMAND, checkReceipt } from "./receipt.js";
import { shown } from "./shown.js";

const WORDS = {
  valid: "VALID",
  forged: "FORGED",
  incomplete: "INCOMPLETE",
  "cannot check": "CANNOT CHECK",
};
const MARKS = new Map([
  [true, ["✓", "holds", "holds"]],
  [false, ["✗", "fails", "fails"]],
  [null, ["·", "not reached", "open"]],
]);
const [FILE_NAME_MAX, STEP_MAX, SENTENCE_MAX] = [80, 300, 600];
const OUTER_BLANKS = /^[ \t\r\n]+|[ \t\r\n]+$/g;
const FACTS = [
  ["transaction", (facts) => facts.id],
  ["became", (facts) => facts.status],
  ["place", (facts) => `${facts.index} of ${facts.count} in block ${facts.height}`],
  ["anchored by", (facts) => `block ${facts.anchor_height}, epoch ${facts.epoch}`],
  ["sealed result", (facts) => `SHA-256 ${facts.result_digest}`],
  ["claim", (facts) => (/^0*$/.test(facts.claim_digest) ? "none" : facts.claim_digest)],
  ["service", (facts) => facts.service],
];

/**
 * The view of the checker.
 *
 * @param note a sentence below it: where this page came from.
 * @returns `{element, show}`: what to place in a page, and a function that takes a receipt's text
 *   or bytes from elsewhere.
 */
export function checkView({ note = "" } = {}) {
  const parts = build(note);
  const state = { given: null, turn: 0 };
  const judge = () => judgeNow(parts, state);
  const take = (given, words) => {
    forget(parts, state);
    state.given = given;
    parts.name.textContent = shown(words, FILE_NAME_MAX);
    return given === null ? undefined : judge();
  };
  parts.file.addEventListener("change", () => take(parts.file.files[0] ?? null, ""));
  parts.pin.addEventListener("input", () => {
    forget(parts, state);
    if (state.given !== null) judge();
  });
  parts.form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  for (const name of ["dragenter", "dragover"]) {
    parts.drop.addEventListener(name, (event) => {
      event.preventDefault();
      parts.drop.classList.add("check-over");
    });
  }
  parts.drop.addEventListener("dragleave", () => parts.drop.classList.remove("check-over"));
  parts.drop.addEventListener("drop", (event) => {
    event.preventDefault();
    parts.drop.classList.remove("check-over");
    const [file] = event.dataTransfer.files;
    if (!file) return;
    parts.file.value = "";
    take(file, `dropped: ${file.name}`);
  });
  const show = (receipt) => {
    parts.file.value = "";
    return take(receipt, "given by this page");
  };
  return { element: parts.element, show };
}

/** Take the verdict away: it was of another file or pin. What an older check finds later is not
 * shown. */
function forget(parts, state) {
  state.turn += 1;
  parts.element.removeAttribute("aria-busy");
  delete parts.verdict.dataset.verdict;
  for (const one of [parts.verdict, parts.steps, parts.facts]) one.replaceChildren();
}

async function judgeNow(parts, state) {
  forget(parts, state);
  const { turn, given } = state;
  parts.element.setAttribute("aria-busy", "true");
  const found = await judged(given, parts.pin.value.replace(OUTER_BLANKS, ""));
  if (turn !== state.turn) return;
  parts.element.removeAttribute("aria-busy");
  parts.verdict.dataset.verdict = found.verdict;
  parts.verdict.replaceChildren(...verdictOf(found));
  parts.steps.replaceChildren(...found.steps.map(stepOf));
  parts.facts.replaceChildren(...(found.facts === null ? [] : factsOf(found.facts)));
}

/** What is found of a file, or of a receipt's text or bytes; of nothing where it is null. */
async function judged(given, pin) {
  if (given === null) return cannot("no receipt: choose a file");
  let receiptText = given;
  try {
    if (given instanceof Blob) receiptText = await bytesOfFile(given);
  } catch {
    return cannot("the file could not be read: choose it again");
  }
  return checkReceipt({ receiptText, pin });
}

/** A file's bytes; of one that is too long no more than shows it: the checker refuses it. */
async function bytesOfFile(file) {
  return new Uint8Array(await file.slice(0, JSON_BYTES_MAX + 1).arrayBuffer());
}

function cannot(sentence) {
  return { verdict: "cannot check", steps: [], sentence, facts: null };
}

function verdictOf({ verdict, steps, sentence, facts }) {
  const word = el("strong", {}, WORDS[verdict]);
  if (facts !== null) {
    const lines = [el("p", {}, word, `: ${wordsOf(facts)}`, ofOthers(facts.service))];
    if (facts.simulated) {
      const simulated = "SIMULATED platform: a root user of its machines can forge all of this";
      lines.push(el("p", { class: "check-simulated" }, simulated));
    }
    for (const one of facts.recoveries) {
      const members = ofOthers(one.members.join(", "), SENTENCE_MAX);
      const more = ` (${one.threshold} had to) stand behind it from there`;
      lines.push(el("p", {}, `recovered at ${one.height}: `, members, more));
    }
    return lines;
  }
  const failed = steps.find(({ ok }) => ok === false);
  const reason = sentence.slice(verdict.length + 2) || sentence;
  if (failed !== undefined) {
    const first = el("p", {}, word, `: not shown that ${shown(failed.name, STEP_MAX)}`);
    return [first, el("p", {}, ofOthers(reason, SENTENCE_MAX))];
  }
  const words = ofOthers(sentence.replace(/^cannot check: /, ""), SENTENCE_MAX);
  const lines = [el("p", {}, word, ": ", words)];
  if (verdict === "cannot check") {
    lines.push(el("p", {}, "without this page: ", el("code", {}, COMMAND)));
  }
  return lines;
}

function wordsOf(facts) {
  const time = new Date(Number(facts.time_ms));
  const when = Number.isNaN(time.getTime())
    ? `${facts.time_ms} ms`
    : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const height = facts.height.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${facts.status} at height ${height} before ${when}, service `;
}

function stepOf({ name, ok, detail }) {
  const [mark, word, look] = MARKS.get(ok);
  return el(
    "li",
    { class: `check-step check-${look}` },
    el("span", { class: "check-mark", "aria-hidden": "true" }, mark),
    el("span", { class: "check-unseen" }, `${word}: `),
    el("span", {}, ofOthers(name, STEP_MAX)),
    el("span", { class: "check-detail" }, ofOthers(detail, STEP_MAX)),
  );
}

function factsOf(facts) {
  return FACTS.flatMap(([name, of]) => [
    el("dt", {}, name),
    el("dd", {}, ofOthers(of(facts), STEP_MAX)),
  ]);
}

/** Words that a forger may have written: escaped, bounded, and none around them is turned. */
function ofOthers(text, max) {
  return el("bdi", { class: "check-others" }, shown(text, max));
}

function build(note) {
  const file = el("input", { type: "file", id: "check-file", accept: ".json,application/json" });
  const name = el("span", { class: "check-name" });
  const drop = el(
    "div",
    { class: "check-drop" },
    el("label", { for: "check-file" }, "Receipt: drop receipt.json here, or choose it"),
    file,
    name,
  );
  const pin = el("input", {
    id: "check-pin",
    class: "check-pin",
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
    placeholder: "sr1-…",
    "aria-describedby": "check-pin-help",
  });
  const help = "From somebody you trust, and not from whoever gave you the receipt.";
  const form = el(
    "form",
    { class: "check-form", novalidate: "" },
    drop,
    el("label", { for: "check-pin" }, "Pin of the service"),
    pin,
    el("small", { id: "check-pin-help" }, help),
    el("button", { type: "submit" }, "Check"),
  );
  const verdict = el("div", { class: "check-verdict", role: "status", "aria-live": "polite" });
  const steps = el("ol", { class: "check-steps" });
  const facts = el("dl", { class: "check-facts" });
  const sent = el("p", { class: "check-note" }, `Nothing was sent anywhere. ${note}`);
  const element = el("section", { class: "check" }, form, verdict, steps, facts, sent);
  return { element, form, file, name, drop, pin, verdict, steps, facts };
}

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
