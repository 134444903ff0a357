// Who served this page, the SHA-256 of its files, and what a local reader found at each node.

import { card, el, fill, id, shown } from "./dom.js";

const CAME = {
  node: (about) => `This page came from ${shown(about.node)}, the node that you look at. `,
  reader: () => "This page came from your own reader, which checks a node before it asks it. ",
  files: (about) => `This page came from your own reader, from the files of ${shown(about.node)}. `,
};

/** Ask who served the page, keep that in the context, and write the foot. */
export async function foot(context, place) {
  let about;
  try {
    about = await (await fetch("ui/about.json")).json();
  } catch {
    return;
  }
  context.about = about;
  fill(
    place,
    el(
      "p",
      null,
      (CAME[about.from] ?? CAME.reader)(about),
      "For a verdict that does not depend on it: ",
      el("code", null, "strongroom verify page -o check.html"),
    ),
    keys(),
    files(about),
  );
}

function keys() {
  const key = (one) => el("kbd", null, one);
  const rows = [key("j"), " ", key("k"), " rows "];
  return el("p", null, "keys: ", key("/"), " search ", rows, key("1"), " to ", key("5"), " views");
}

function files(about) {
  const rows = Object.entries(about.files).map(([name, sha]) =>
    el(
      "li",
      null,
      el("span", null, shown(name)),
      id(sha, { digits: 16, what: `SHA-256 of ${name}` }),
    ),
  );
  const short = el("span.mono", null, about.sha256.slice(0, 16), "…");
  return el(
    "details",
    null,
    el("summary", null, "SHA-256 of this page ", short),
    el("p", null, "All its files: ", id(about.sha256, { digits: 64 })),
    el("p", null, "An installation’s own is printed by ", el("code", null, "strongroom trust")),
    el("ul.files", null, rows),
  );
}

/** For the local reader: what it found at each node before it showed this page. */
export function readerCard(about) {
  if (!about?.nodes) return null;
  const rows = about.nodes.map((one) =>
    el(
      "li",
      null,
      el(`span.word-${one.verdict === "good" ? "good" : "bad"}`, null, shown(one.words, 200)),
      el("span.quiet", null, ` ${shown(one.endpoint, 80)}`),
    ),
  );
  return card("Checked by this reader", el("ul.hits", null, rows));
}
