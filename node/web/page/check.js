// CHECK: a receipt against a pin that the reader brings. Nothing is sent anywhere.
//
// Owns the form and how a verdict looks; the checks are check/receipt.js. The page never fills the
// pin's field: a pin that came from the node that is judged would judge nothing.

import { card, command, el, fill, shown } from "./dom.js";

const FILE_BYTES_MAX = 16 * 1024 * 1024;
const OUTER_BLANKS = /^[ \t\r\n]+|[ \t\r\n]+$/g;

export async function check(context) {
  const given = context.given ?? "";
  context.given = null;
  const file = el("input", { type: "file", id: "file", accept: ".json,application/json" });
  const text = el("textarea", {
    id: "receipt",
    rows: 5,
    spellcheck: "false",
    autocomplete: "off",
    placeholder: "… or paste the receipt here",
    "aria-label": "Receipt",
  });
  const pin = el("input", {
    id: "check-pin",
    type: "text",
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
    placeholder: "sr1-…",
    "aria-describedby": "pin-words",
    maxlength: 200,
  });
  const said = el("div", { role: "status", "aria-live": "polite" });
  const drop = el(
    "label.drop",
    { for: "file" },
    el("strong", null, "Drop receipt.json here"),
    el("span", null, "or choose a file"),
    file,
  );
  text.value = given;
  const state = el(
    "p.quiet",
    null,
    given ? "The receipt that the node gave is below. Bring the pin." : "",
  );

  let chosen = null;
  let turn = 0;
  // A verdict stands only beside what it was found of: every change takes it away, and what an
  // older check finds later is not shown.
  const forget = () => {
    turn += 1;
    fill(said);
  };
  const take = (one) => {
    forget();
    chosen = one ?? null;
    text.value = "";
    fill(state, one ? `${shown(one.name, 80)}, ${one.size} bytes` : null);
  };
  text.addEventListener("input", () => {
    forget();
    chosen = null;
    file.value = "";
    fill(state);
  });
  pin.addEventListener("input", forget);
  file.addEventListener("change", () => take(file.files[0]));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    file.value = "";
    take(event.dataTransfer.files[0]);
  });
  const run = el("button.main", { type: "submit" }, "Check");
  const form = el(
    "form.check",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        forget();
        const own = turn;
        fill(said, el("p.quiet", null, "checking …"));
        const typed = pin.value.replace(OUTER_BLANKS, "");
        const found = await judged(context, chosen ?? text.value, typed);
        if (own === turn) fill(said, ...verdict(found));
      },
    },
    drop,
    text,
    state,
    el("label", { for: "check-pin" }, "Pin of the service"),
    pin,
    el(
      "p.quiet",
      { id: "pin-words" },
      "From somebody you trust: your operator, a contract, your own service.json. This page ",
      "does not fill it in, for then the node would judge itself.",
    ),
    el("div.buttons", null, run),
  );
  const from =
    context.about?.from === "node"
      ? `This page came from ${shown(context.about.node)}, the node that you look at.`
      : "This page came from your own reader.";
  return {
    title: "Check",
    view: el(
      "div",
      null,
      el("div.title", null, el("h1", null, "Check a receipt")),
      el(
        "div.two",
        null,
        card(null, form),
        el("section.card.result", null, el("h2", null, "Verdict"), said),
      ),
      card(
        "Nothing is sent anywhere",
        el(
          "p",
          null,
          "Your browser checks the receipt itself. ",
          from,
          " A checker that it did not serve is one file, which also works without a network:",
        ),
        command("strongroom verify page -o check.html"),
        el("p.quiet", null, "or on the command line:"),
        command("strongroom verify receipt receipt.json --service PIN"),
      ),
    ),
  };
}

/** What is found of a file, or of a text that was pasted. */
async function judged(context, given, pin) {
  if (given === "") return cannot("there is no receipt: drop a file, or paste it");
  if (!pin) return cannot("no pin: without it there is no verdict");
  if (!globalThis.crypto?.subtle)
    return cannot("this browser gives no cryptography to this page: use strongroom verify receipt");
  if (context.about && !context.about.files["check/receipt.js"])
    return cannot("this page has no checker: use strongroom verify receipt");
  let receiptText = given;
  try {
    if (typeof given !== "string") receiptText = await bytesOfFile(given);
  } catch {
    return cannot("the file could not be read: choose it again");
  }
  try {
    const { checkReceipt } = await import("./check/receipt.js");
    return await checkReceipt({ receiptText, pin });
  } catch (error) {
    return cannot(
      `the checker did not run (${shown(error?.message, 120)}): use strongroom verify receipt`,
    );
  }
}

/** A file's bytes; of one that is too long no more than shows it: the checker refuses it. */
async function bytesOfFile(file) {
  return new Uint8Array(await file.slice(0, FILE_BYTES_MAX + 1).arrayBuffer());
}

const cannot = (sentence) => ({ verdict: "cannot check", sentence, steps: [], facts: {} });

function verdict(found) {
  const kind = { valid: "good", forged: "bad", incomplete: "bad" }[found.verdict] ?? "amber";
  const signs = { good: "✓", bad: "✗", amber: "?" };
  return [
    el(
      `p.verdict.${kind}`,
      null,
      el("span", { "aria-hidden": "true" }, signs[kind]),
      el("strong", null, shown(found.verdict).toUpperCase()),
    ),
    el("p", null, shown(found.sentence, 600)),
    el(
      "ol.steps-list",
      null,
      found.steps.slice(0, 64).map((step) => {
        const [word, mark, words] =
          step.ok === true
            ? ["good", "✓", "holds"]
            : step.ok === false
              ? ["bad", "✗", "fails"]
              : ["off", "·", "not reached"];
        return el(
          `li.${word}`,
          null,
          el("span.mark", { "aria-hidden": "true" }, mark),
          el(
            "span",
            null,
            el("strong", null, shown(step.name, 120)),
            el("span.unseen", null, `: ${words}`),
            step.detail ? el("small", null, shown(step.detail, 300)) : null,
          ),
        );
      }),
    ),
  ];
}
