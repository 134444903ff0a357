// GOVERN: what members have proposed and decided, who they are, the epochs, the attestation policy.
//
// Owns this view; drawn anew only when one of the documents changed.

import { card, el, facts, fill, id, name, shown, table } from "./dom.js";
import { policyCard } from "./policy.js";
import { repeat } from "./repeating.js";
import { count, moment, number, span } from "./words.js";

const ASK_MS = 4000;
const PROPOSALS_MAX = 50;
const EPOCHS_MAX = 50;
const ARGUMENT_MAX = 160;
const KINDS = { open: "amber", accepted: "good", active: "good", rejected: "bad", void: "bad" };

export async function govern(context) {
  const { rpc } = context;
  const trouble = el("div", null);
  const inside = el("div", null);
  const view = el("div", null, el("div.title", null, el("h1", null, "Govern")), trouble, inside);
  let drawn = "";

  async function draw() {
    await context.feed.ready;
    const status = await rpc.ask("node_status");
    const from = Math.max(0, (status.epoch ?? 0) - EPOCHS_MAX + 1);
    const [proposals, members, policy, epochs] = await Promise.all([
      rpc.ask("governance_proposals"),
      rpc.ask("service_members"),
      rpc.ask("service_policy"),
      rpc.ask("service_epochs", { from }),
    ]);
    const now = JSON.stringify([proposals, members, policy.encoded, epochs.length]);
    if (now === drawn) return;
    const open = new Set(
      [...inside.querySelectorAll("details[open]")].map((one) => one.dataset.key),
    );
    drawn = now;
    fill(
      inside,
      proposalsCard(proposals, members),
      el("div.two", null, membersCard(members), epochsCard(epochs, context.feed.service)),
      policyCard(policy),
    );
    for (const one of inside.querySelectorAll("details"))
      if (open.has(one.dataset.key)) one.open = true;
  }

  await draw();
  return { view, title: "Govern", end: repeat(draw, trouble, ASK_MS) };
}

function proposalsCard(proposals, members) {
  if (!proposals.length)
    return card(
      "Proposals",
      el("p.quiet", null, "Nothing is proposed. A member begins with"),
      el("p.command", null, el("code", null, "strongroom gov propose CHANGE KEY=VALUE --as NAME")),
    );
  return card(
    "Proposals",
    el(
      "div.list",
      null,
      proposals.slice(0, PROPOSALS_MAX).map((one) => proposal(one, members)),
    ),
    proposals.length > PROPOSALS_MAX
      ? el("p.quiet", null, `and ${count(proposals.length - PROPOSALS_MAX, "older one")}`)
      : null,
  );
}

function proposal(one, members) {
  const said = new Map(one.ballots.map((ballot) => [ballot.member, ballot.yes]));
  const left = typeof one.expires_ms === "number" ? one.expires_ms - Date.now() : null;
  return el(
    "article.proposal",
    { id: `proposal-${one.id}` },
    el(
      "h3",
      null,
      el(
        "a",
        { href: `#/govern/${one.id}`, "data-row": true },
        one.changes.length > 1 ? `${one.changes.length} changes` : shown(one.change, 60),
      ),
      el(`span.badge.${KINDS[one.status] ?? "plain"}`, null, shown(one.status)),
    ),
    one.changes
      .slice(0, 20)
      .map((change) =>
        el(
          "div.change",
          null,
          one.changes.length > 1 ? el("strong", null, shown(change.change, 60)) : null,
          args(change.arguments),
        ),
      ),
    el(
      "p.ballots",
      null,
      members.slice(0, 64).map((member) => {
        const yes = said.get(member.name);
        const [kind, word] =
          yes === undefined ? ["off", "has not voted"] : yes ? ["good", "yes"] : ["bad", "no"];
        return el(
          `span.chip.${kind}`,
          { title: `${shown(member.name)}: ${word}` },
          yes === undefined ? "·" : yes ? "✓" : "✗",
          " ",
          name(member.name, 16),
          el("span.unseen", null, `: ${word}`),
        );
      }),
    ),
    el(
      "p.quiet",
      null,
      `by ${shown(one.proposer)}, ${moment(one.proposed_ms)}; `,
      `${number(one.yes)} yes, ${number(one.no)} no`,
      one.needed ? `, ${number(one.needed)} needed` : "",
      one.status === "open" && left !== null ? `; closes in ${span(left)}` : "",
      one.activates_ms ? `; takes effect ${moment(one.activates_ms)}` : "",
      one.note ? `; ${shown(one.note, 120)}` : "",
    ),
    el("p.quiet", null, "id ", id(one.id, { what: "proposal id", digits: 32 })),
  );
}

function args(given) {
  const entries = Object.entries(given ?? {});
  return entries.length
    ? facts(
        entries
          .slice(0, 20)
          .map(([key, value]) => [
            shown(key, 40),
            shown(typeof value === "string" ? value : JSON.stringify(value), ARGUMENT_MAX),
          ]),
      )
    : null;
}

function membersCard(members) {
  return card(
    "Members",
    table(
      "Members",
      ["name", "key", "roles"],
      el(
        "tbody",
        null,
        members.slice(0, 200).map((one) =>
          el(
            "tr",
            null,
            el(
              "td",
              null,
              name(one.name),
              one.weight
                ? null
                : el("span.badge.plain", { title: "Sees and proposes, does not count" }, "watcher"),
            ),
            el("td", null, id(one.public, { digits: 8 })),
            el(
              "td",
              null,
              one.roles.length
                ? one.roles
                    .slice(0, 8)
                    .map((role) => `${shown(role.program, 20)}: ${shown(role.role, 20)}`)
                    .join(", ")
                : el("span.quiet", null, "–"),
            ),
          ),
        ),
      ),
    ),
  );
}

function epochsCard(epochs, service) {
  const names = new Map((service?.validators ?? []).map((one) => [one.node_key, one.name]));
  return card(
    "Epochs",
    table(
      "Epochs, newest first",
      [["epoch", "num"], "began", "validators"],
      el(
        "tbody",
        null,
        [...epochs]
          .reverse()
          .slice(0, EPOCHS_MAX)
          .map((one) =>
            el(
              "tr",
              null,
              el("td.num", null, number(one.epoch)),
              el(
                "td",
                null,
                one.height
                  ? el("a", { href: `#/block/${one.height}` }, `after block ${number(one.height)}`)
                  : "at genesis",
                el("small", null, shown(one.reason, 60)),
              ),
              el(
                "td",
                null,
                one.members
                  .slice(0, 8)
                  .map((key) =>
                    el("span.chip", { title: key }, shown(names.get(key) ?? key.slice(0, 6), 10)),
                  ),
                one.members.length > 8 ? ` and ${one.members.length - 8} more` : "",
                el("small", null, `quorum ${number(one.quorum)}`),
              ),
            ),
          ),
      ),
    ),
  );
}
