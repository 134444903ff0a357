// What the search box finds: the node's answer as a list, or at once the only thing there is.

import { card, el, id, name, shown } from "./dom.js";
import { count } from "./words.js";

const WAY = {
  block: (hit) => `#/block/${hit.height ?? hit.id}`,
  transaction: (hit) => `#/tx/${hit.id}`,
  node: () => "#/nodes",
  member: () => "#/govern",
  proposal: (hit) => `#/govern/${hit.id}`,
};

export async function search({ rpc }, text) {
  const hits = await rpc.ask("ledger_search", { text });
  const place = /^(\d{1,15})\/(\d{1,9})$/.exec(text);
  if (place && !hits.length) {
    const page = await rpc.ask("ledger_transactions", {
      height: Number(place[1]),
      offset: Number(place[2]),
      limit: 1,
    });
    for (const row of page.transactions)
      hits.push({ kind: "transaction", id: row.id, words: `${row.kind} in block ${place[1]}` });
  }
  if (hits.length === 1 && WAY[hits[0].kind]) {
    return { instead: WAY[hits[0].kind](hits[0]) };
  }
  const none = [
    el("p", null, "Nothing here is called ", el("strong", null, shown(text)), "."),
    el(
      "p.quiet",
      null,
      "Heights, whole ids of blocks and transactions (64 digits), HEIGHT/INDEX, latest, and the ",
      "beginnings of names of nodes, members and (four digits) of proposals’ ids are found. ",
      "Beginnings of other ids: strongroom explorer search TEXT.",
    ),
  ];
  return {
    title: "Search",
    view: el(
      "div",
      null,
      el("div.title", null, el("h1", null, "Search")),
      card(
        hits.length ? count(hits.length, "hit") : null,
        hits.length ? el("ul.hits", null, hits.slice(0, 50).map(hit)) : none,
      ),
    ),
  };
}

function hit(one) {
  const way = WAY[one.kind];
  const words = one.id.length === 64 ? id(one.id, { digits: 20 }) : name(one.id, 40);
  return el(
    "li",
    null,
    el("span.badge.plain", null, shown(one.kind)),
    " ",
    way ? el("a", { href: way(one), "data-row": true }, words) : words,
    el("span.quiet", null, ` ${shown(one.words, 120)}`),
  );
}
