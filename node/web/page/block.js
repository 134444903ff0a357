// BLOCK: one block, its certificate, its transactions in pages.
//
// Owns what stands on this view; the node is asked for a page of transactions at a time.

import { card, el, facts, fill, id, name, problem, shown, table } from "./dom.js";
import { dot, signed } from "./rows.js";
import { age, moment, number, size } from "./words.js";

const PAGE = 50;

export async function block(context, which, offset = 0) {
  const { rpc, feed } = context;
  const asked =
    which === "latest" ? await newest(rpc) : /^\d{1,15}$/.test(which) ? Number(which) : which;
  const view = el("div", null);
  await feed.ready;
  const found = await rpc.ask("ledger_block", { height: asked, transactions: false });
  const at = found.height;
  const names =
    feed.service?.epoch === found.epoch ? feed.service.validators.map((one) => one.name) : [];
  const go = (height, words, label) =>
    height >= 1 && height <= Math.max(feed.newest, at)
      ? el("a.step", { href: `#/block/${height}`, "aria-label": label }, words)
      : el("span.step.off", { "aria-hidden": "true" }, words);
  fill(
    view,
    el(
      "div.title",
      null,
      el("h1", null, "Block ", number(at)),
      el(
        "div.steps",
        null,
        go(at - 1, `‹ ${number(at - 1)}`, "The block before"),
        go(at + 1, `${number(at + 1)} ›`, "The next block"),
        el("a.step", { href: "#/block/latest" }, "latest"),
      ),
    ),
    el("div.two", null, ofBlock(found, names), certificate(found, names)),
    batches(found),
  );
  if (found.count) view.append(await transactions(rpc, at, found.count, offset));
  return { view, title: `Block ${at}` };
}

async function newest(rpc) {
  return Math.max(1, (await rpc.ask("node_status")).height);
}

function ofBlock(found, names) {
  return card(
    "Block",
    facts([
      ["hash", id(found.hash)],
      [
        "parent",
        found.height > 1
          ? id(found.parent, { to: `#/block/${found.height - 1}` })
          : id(found.parent),
      ],
      [
        "time",
        el("time", { datetime: moment(found.time_ms) }, moment(found.time_ms)),
        el("span.quiet", null, ` ${age(found.time_ms)} ago`),
      ],
      ["proposed by", dot(names, found.proposer), name(found.proposer)],
      ["epoch, view", `${number(found.epoch)}, ${number(found.view)}`],
      [
        "holds",
        `${number(found.count)} transactions, ${size(found.bytes)}`,
        ` in ${number(found.batches.length)} batches`,
      ],
    ]),
  );
}

function certificate(found, names) {
  const own = found.certificate;
  const signers =
    own?.kind === "recovery"
      ? `brought back by ${own.members?.length} members, after block ${number(own.recovered_at)}`
      : signed(own ? own.signers : null, names.length ? names : (own?.signers ?? []));
  return card(
    "What it proves",
    facts([
      ["certificate", own ? `${shown(own.kind)}, view ${number(own.view)}` : "none of its own"],
      ["signed by", signers],
      [
        "outcome",
        found.outcome_root ? id(found.outcome_root, { what: "outcome root" }) : "not executed yet",
      ],
      [
        "anchors",
        found.anchor.height
          ? el(
              "a",
              { href: `#/block/${found.anchor.height}` },
              `block ${number(found.anchor.height)}`,
            )
          : "genesis",
      ],
      ["history", id(found.anchor.root, { what: "history root" })],
    ]),
    el(
      "p.quiet",
      null,
      "An anchor commits to the outcomes of all blocks up to the one it names: receipts stand ",
      "on it.",
    ),
  );
}

function batches(found) {
  if (!found.batches.length)
    return el(
      "p.note",
      null,
      "This block is empty. It is there for its anchor: the outcome of an earlier block became ",
      "final with it.",
    );
  return card(
    "Batches",
    table(
      "Batches of this block",
      ["from", ["sequence", "num"], ["transactions", "num"], ["bytes", "num"], "digest"],
      el(
        "tbody",
        null,
        found.batches.map((one) =>
          el(
            "tr",
            null,
            el("td", null, name(one.origin)),
            el("td.num", null, number(one.sequence)),
            el("td.num", null, number(one.count)),
            el("td.num", { title: `${one.size} bytes` }, size(one.size)),
            el("td", null, id(one.digest, { digits: 8 })),
          ),
        ),
      ),
    ),
  );
}

async function transactions(rpc, height, count, offset) {
  const section = card("Transactions");
  const show = async (from) => {
    const page = await rpc.ask("ledger_transactions", { height, offset: from, limit: PAGE });
    const last = from + page.transactions.length;
    const turn = (to, words, on) =>
      el(
        "button.step",
        {
          type: "button",
          disabled: !on,
          onclick: () => show(to).catch((error) => section.append(problem(error.message))),
        },
        words,
      );
    fill(
      section,
      el("h2", null, "Transactions"),
      table(
        "Transactions of this block",
        [["", "num"], "id", "kind", "what became of it", ["bytes", "num wide"]],
        el("tbody", null, page.transactions.map(row)),
      ),
      count > PAGE
        ? el(
            "div.pages",
            null,
            turn(Math.max(0, from - PAGE), "‹ before", from > 0),
            el("span", null, `${number(from)} to ${number(last - 1)} of ${number(count)}`),
            turn(last, "after ›", last < count),
          )
        : null,
    );
  };
  await show(offset);
  return section;
}

function row(one) {
  return el(
    "tr",
    null,
    el("td.num.quiet", null, number(one.index)),
    el("td", null, id(one.id, { to: `#/tx/${one.id}`, digits: 10 })),
    el("td", null, one.action ? name(one.action, 20) : shown(one.kind)),
    el("td", null, outcome(one.code, one.status)),
    el("td.num.wide", { title: `${one.size} bytes` }, size(one.size)),
  );
}

/** What became of a transaction, by its public code. */
export function outcome(code, words) {
  const kind = code === 0 ? "good" : code === null || code === undefined ? "" : "bad";
  return el(`span.word-${kind || "plain"}`, null, shown(words));
}
