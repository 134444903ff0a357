// TX: one transaction as anyone sees it, and its receipt.
//
// Owns what stands on this view. What is sealed is said to be sealed: nothing here opens it.

import { outcome } from "./block.js";
import { bytesOf, card, command, copy, el, facts, fill, id, name, save, shown } from "./dom.js";
import { number } from "./words.js";

const AGAIN_MS = 1000;
const WORDS = {
  call: "a sealed call in a session",
  opening: "a sealed call that opens a session",
  public: "a public transaction, signed and readable",
};

/** One transaction: waits until it is known to be somewhere. */
export async function transaction(context, text) {
  const { rpc } = context;
  const view = el("div", null);
  let timer = null;
  const draw = async () => {
    const found = await rpc.ask("ledger_transaction", { id: text });
    fill(
      view,
      el("div.title", null, el("h1", null, "Transaction")),
      place(found),
      found.status === "final" ? seen(found) : null,
      found.status === "final" ? receiptCard(context, found) : null,
    );
    if (found.status === "pending") timer = setTimeout(() => draw().catch(() => {}), AGAIN_MS);
  };
  await draw();
  return { view, title: "Transaction", end: () => clearTimeout(timer) };
}

function place(found) {
  const stands = {
    final: () => outcome(found.code, found.refusal ?? "executed"),
    pending: () => "waits for a block",
    unknown: () => "not known at this node: check the id, or ask again in a moment",
  }[found.status];
  return card(
    null,
    facts([
      [
        "id",
        el("span.id", null, el("span.mono.whole", null, found.id), copy(found.id, "all 64 digits")),
      ],
      ["stands", stands ? stands() : shown(found.status)],
      found.status === "final" && [
        "block",
        el("a", { href: `#/block/${found.height}` }, number(found.height)),
        `, position ${number(found.index)}`,
      ],
    ]),
  );
}

function seen(found) {
  const envelope = found.envelope;
  const sealed = envelope.sealed ?? null;
  const anyone = facts([
    ["kind", WORDS[envelope.kind] ?? shown(envelope.kind)],
    ["size", `${number(envelope.size)} bytes`],
    envelope.epoch !== undefined && ["sealed for", `epoch ${number(envelope.epoch)}`],
    envelope.session && ["session", id(envelope.session)],
    envelope.sequence !== undefined && ["call number", number(envelope.sequence)],
    envelope.signer && ["signed by", id(envelope.signer)],
    envelope.action && ["action", name(envelope.action, 40)],
  ]);
  const raw = sealed ?? envelope.public;
  const file = `${found.id.slice(0, 16)}.envelope`;
  return el(
    "div.two",
    null,
    card(
      "What anyone sees",
      anyone,
      raw
        ? el(
            "div.buttons",
            null,
            el(
              "button",
              {
                type: "button",
                onclick: () => save(file, bytesOf(raw), "application/octet-stream"),
              },
              "Save the envelope",
            ),
          )
        : null,
    ),
    sealed
      ? closed(found)
      : card(
          "Nothing is sealed",
          el(
            "p",
            null,
            "Members and nodes speak in public: what they ask for, and what became of it, is ",
            "for everybody to read.",
          ),
        ),
  );
}

function closed(found) {
  return el(
    "section.card.sealed",
    null,
    el("h2", null, lock(), "Sealed"),
    el(
      "p",
      null,
      "Which program was called, with what, and what it answered: only its sender opens that. ",
      "Not this node, not its operator.",
    ),
    el("p.cipher", { "aria-hidden": "true" }, hex(found.envelope.sealed)),
    el("p.quiet", null, "Its sender sees it with"),
    command(`strongroom explorer tx ${found.id} --as NAME`),
  );
}

const lock = () =>
  el(
    "svg.lock",
    { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" },
    el("rect", { x: 5, y: 10, width: 14, height: 10, rx: 2 }),
    el("path", { d: "M8 10V7a4 4 0 0 1 8 0v3" }),
  );

function hex(sealed) {
  return Array.from(bytesOf(sealed.slice(0, 256)), (one) => one.toString(16).padStart(2, "0")).join(
    " ",
  );
}

function receiptCard(context, found) {
  const section = card("Receipt");
  const fetched = async () =>
    JSON.stringify(await context.rpc.ask("ledger_receipt", { id: found.id }));
  const say = el("p.quiet", { role: "status" }, "");
  const doing = (act) => async () => {
    fill(say, "asking the node …");
    try {
      act(await fetched());
      fill(say, "");
    } catch (error) {
      fill(
        say,
        error.code === -32004
          ? "It is executed and not anchored yet: ask again in a moment."
          : error.message,
      );
    }
  };
  fill(
    section,
    el("h2", null, "Receipt"),
    el(
      "p",
      null,
      "A file that proves, against the service's pin alone, that this transaction stands where ",
      "it stands. It can be checked where there is no network.",
    ),
    el(
      "div.buttons",
      null,
      el(
        "button.main",
        {
          type: "button",
          onclick: doing((text) => save("receipt.json", `${text}\n`, "application/json")),
        },
        "receipt.json",
      ),
      el(
        "button",
        { type: "button", onclick: doing((text) => context.check(text)) },
        "Check it here",
      ),
    ),
    say,
    command(`strongroom receipt ${found.id} -o receipt.json`),
  );
  return section;
}
