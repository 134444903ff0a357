// NODES: a card for each node, with the verdict over its evidence, as the node that is asked sees
// it.
//
// Owns these cards. What changes with each block is written into them; they are made anew only when
// something else changed, so that what is open stays open.

import { bytesOf, card, el, facts, fill, id, name, problem, save, say, shown } from "./dom.js";
import { repeat } from "./repeating.js";
import { number, span } from "./words.js";

const ASK_MS = 3000;
const MOVING = new Set([
  "height",
  "executed",
  "view",
  "checked",
  "age_ms",
  "evidence_digest",
  "faults",
  "attested_height",
]);

export async function nodes(context) {
  const { rpc, feed } = context;
  const grid = el("div.cards", null);
  const trouble = el("div", null);
  const about = el("div", null);
  const view = el(
    "div",
    null,
    el("div.title", null, el("h1", null, "Nodes")),
    trouble,
    about,
    grid,
  );
  let drawn = "";
  let cards = [];

  async function draw() {
    await feed.ready;
    const [list, policy, status] = await Promise.all([
      rpc.ask("service_nodes"),
      rpc.ask("service_policy"),
      rpc.ask("node_status"),
    ]);
    const still = JSON.stringify([
      list.map((one) => Object.entries(one).filter(([key]) => !MOVING.has(key))),
      policy.measurements,
      status.node,
      status.state,
    ]);
    if (still !== drawn) {
      drawn = still;
      cards = list.map((one) => nodeCard(context, one, policy, status));
      fill(
        grid,
        cards.map((one) => one.box),
      );
      fill(about, words(feed.service, status, list));
    }
    const newest = Math.max(...list.map((one) => one.height ?? 0), status.height ?? 0);
    list.forEach((one, at) => cards[at].move(one, newest));
  }

  await draw();
  return { view, title: "Nodes", end: repeat(draw, trouble, ASK_MS) };
}

function words(service, status, list) {
  const whose =
    status.state === "files"
      ? "This is read from files: what only a running node knows is not told."
      : `This is how ${shown(status.node)} sees the others. Each node checks the evidence ` +
        "of each of its peers before it votes with it.";
  return [
    service?.simulated
      ? el(
          "p.note.amber",
          null,
          el("strong", null, "SIMULATED platform. "),
          "The evidence has the real form and is really verified, but the silicon behind it is ",
          "software: a root user of a node's machine reads its enclave. Not for secrets.",
        )
      : null,
    el(
      "p.quiet",
      null,
      whose,
      ` ${number(list.filter((one) => one.status === "validator").length)} validators, `,
      `${number(list.length)} nodes in all.`,
    ),
  ];
}

function verdictOf(one) {
  const text = shown(one.verdict, 80);
  if (text === "itself") return ["plain", "its own: ask another node"];
  if (text.startsWith("good")) return ["good", text];
  if (text.startsWith("not ")) return ["plain", text];
  return ["bad", text];
}

function nodeCard(context, one, policy, status) {
  const own = one.name === status.node;
  const [kind, verdict] = verdictOf(one);
  const at =
    context.feed.service?.validators.findIndex((other) => other.node_key === one.node_key) ?? -1;
  const cells = {
    height: el("span", null),
    lag: el("span", null),
    view: el("span", null),
    age: el("span", null),
    faults: el("span", null),
    evidence: el("span", null),
  };
  const link = own
    ? shown(status.state)
    : one.connected === null
      ? shown(one.status)
      : one.connected
        ? "linked"
        : "no link";
  const same = one.measurement ? policy.measurements.includes(one.measurement) : null;
  const box = el(
    "section.card.node",
    null,
    el(
      "h2",
      null,
      at >= 0 ? el(`i.dot.by${at % 8}`, null) : null,
      name(one.name, 32),
      el(
        `span.badge.${link === "no link" ? "bad" : own || link === "linked" ? "good" : "plain"}`,
        null,
        link,
      ),
    ),
    one.offence ? problem(`proven offence: ${shown(one.offence, 120)}`) : null,
    one.alarm
      ? problem(`alarm: ${shown(one.alarm === true ? "its evidence is too old" : one.alarm, 120)}`)
      : null,
    el(
      "div.big",
      null,
      el("span", null, cells.height, el("small", null, "height")),
      el("span", null, cells.lag, el("small", null, "behind")),
      el("span", null, cells.view, el("small", null, "view")),
    ),
    facts([
      ["operator", one.operator ? name(one.operator) : "–"],
      ["region", one.region ? name(one.region) : "–"],
      ["evidence", el(`span.word-${kind}`, null, verdict), cells.age],
      [
        "code",
        one.measurement ? id(one.measurement, { what: "measurement", digits: 10 }) : "–",
        same === null
          ? null
          : el(
              `span.word-${same ? "good" : "bad"}`,
              null,
              same ? " = the policy’s" : " ≠ the policy’s",
            ),
      ],
      ["boot", number(one.boot)],
    ]),
    el(
      "details",
      { "data-key": one.node_key ?? one.name },
      el("summary", null, "Keys, chip, addresses"),
      facts([
        one.node_key && ["node key", id(one.node_key)],
        one.vote_key && ["vote key", id(one.vote_key)],
        one.chip && [
          "chip",
          id(one.chip, { what: "chip id" }),
          one.simulated ? el("span.badge.amber", null, "SIMULATED") : null,
        ],
        ["evidence digest", cells.evidence],
        ["clients", shown(one.endpoint ?? one.rpc, 80)],
        ["peers", shown(one.peer, 80)],
        [
          "admitted",
          one.admitted_height === undefined
            ? "at genesis"
            : `at height ${number(one.admitted_height)}`,
        ],
        ["broken messages", cells.faults],
      ]),
    ),
    own ? evidence(context, one) : null,
  );
  return { box, move: (now, newest) => move(cells, now, newest) };
}

function move(cells, now, newest) {
  say(cells.height, number(now.height));
  say(cells.lag, typeof now.height === "number" ? number(newest - now.height) : "–");
  say(cells.view, number(now.view));
  say(cells.age, now.age_ms === undefined ? "" : `, ${span(now.age_ms)} old`);
  say(cells.faults, number(now.faults));
  say(cells.evidence, now.evidence_digest ? shown(now.evidence_digest) : "–");
}

/** Fresh evidence over a number that this browser has just drawn. */
function evidence({ rpc }, one) {
  const told = el("p.quiet", { role: "status" }, "");
  const ask = async () => {
    const nonce = Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    fill(told, "asking the enclave …");
    try {
      const answer = await rpc.ask("node_evidence", { nonce });
      save(
        `evidence-${nonce.slice(0, 8)}.bin`,
        bytesOf(answer.evidence),
        "application/octet-stream",
      );
      fill(
        told,
        "Saved; it is over the nonce ",
        id(nonce, { what: "nonce" }),
        ". Check it: ",
        el("code", null, `strongroom attest verify ${shown(one.name)} --service PIN`),
      );
    } catch (error) {
      fill(told, error.message);
    }
  };
  return el(
    "div.below",
    null,
    el("button", { type: "button", onclick: ask }, "Save fresh evidence"),
    told,
  );
}
