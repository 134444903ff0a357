// LIVE: how the service stands, and its newest blocks as they come.
//
// Owns the drawing of these: at most four times a second, rows reused, none added while the reader
// points at them or has scrolled away.

import { ribbon, sparkline } from "./charts.js";
import { el, fill, name, say, table } from "./dom.js";
import { row as line } from "./rows.js";
import { age, number, rate, span } from "./words.js";

const ROWS_MAX = 40;
const BARS_MAX = 60;
const DRAW_MS = 250;

export function live(feed) {
  const tile = (word) => {
    const value = el("strong", null, "–");
    const more = el("small", null, "");
    const chart = el("div.chart", null);
    return {
      value,
      more,
      chart,
      box: el("div.tile", null, el("span.word", null, word), value, more, chart),
    };
  };
  const tiles = {
    height: tile("Height"),
    rate: tile("Transactions a second"),
    gap: tile("Between blocks"),
    quorum: tile("Quorum"),
    epoch: tile("Epoch"),
  };
  const bars = el("div.ribbon", { "aria-hidden": "true" });
  const legend = el("p.legend", null);
  const body = el("tbody", null);
  const later = el("button.later", { type: "button", hidden: true, onclick: () => show() });
  const frame = table(
    "Newest blocks",
    [
      ["age", "num"],
      ["height", "num"],
      "by",
      ["transactions", "num"],
      ["bytes", "num wide"],
      ["signed by", "mid"],
    ],
    body,
  );
  const list = el("section.card.rows", null, el("div.over", null, later), frame);
  const view = el(
    "div.live",
    null,
    el("h1.unseen", null, "Live"),
    el(
      "div.tiles",
      null,
      Object.values(tiles).map((one) => one.box),
    ),
    el("section.card", null, el("h2", null, "Blocks"), bars, legend),
    list,
  );
  const rows = new Map();
  let held = false;
  let drawn = 0;
  let timer = null;

  list.addEventListener("pointerenter", (event) => {
    held = event.pointerType === "mouse";
  });
  list.addEventListener("pointerleave", () => release());
  list.addEventListener("focusin", () => {
    held = true;
  });
  list.addEventListener("focusout", (event) => list.contains(event.relatedTarget) || release());

  function release() {
    held = false;
    draw();
  }

  function show() {
    window.scrollTo({ top: 0 });
    release();
  }

  const away = () => held || window.scrollY > 400;

  function draw() {
    timer = null;
    drawn = Date.now();
    drawTiles();
    fill(bars, ribbon(feed.heads, proposer, BARS_MAX));
    drawLegend();
    drawRows();
  }

  const names = () => (feed.service?.validators ?? []).map((one) => one.name);
  const proposer = (who) => Math.max(0, names().indexOf(who));
  let told = "";

  function drawLegend() {
    const named = names().slice(0, 8);
    if (told === named.join("\n")) return;
    told = named.join("\n");
    fill(
      legend,
      named.map((one, at) => el("span", null, el(`i.dot.by${at % 8}`, null), name(one, 14))),
      el(
        "span.hint",
        null,
        "A bar is a block: higher is more transactions, its colour is who proposed it.",
      ),
    );
  }

  function drawTiles() {
    const { status, service } = feed;
    const recent = feed.heads.slice(0, BARS_MAX).reverse();
    say(tiles.height.value, number(feed.newest || status?.height));
    say(
      tiles.height.more,
      feed.age === null ? "no block yet" : `newest ${age(feed.heads[0].time_ms)} ago`,
    );
    say(tiles.rate.value, rate(feed.age > 10_000 ? 0 : feed.rate));
    say(
      tiles.rate.more,
      `${number(recent.reduce((sum, one) => sum + one.count, 0))} in ${recent.length} blocks`,
    );
    say(tiles.gap.value, span(feed.gap));
    say(tiles.gap.more, "the middle of the newest 30");
    const of = `${number(status?.quorum)} of ${number(status?.members)}`;
    say(tiles.quorum.value, status ? of : "–");
    say(
      tiles.quorum.more,
      status?.executing === null || !status
        ? ""
        : `${number(status.executing)} of ${number(status.members)} nodes execute`,
    );
    tiles.quorum.box.classList.toggle(
      "bad",
      Boolean(status) && status.executing !== null && status.executing < status.quorum,
    );
    say(tiles.epoch.value, number(status?.epoch ?? service?.epoch));
    say(
      tiles.epoch.more,
      status?.alarm ? `alarm: ${status.alarm}`.slice(0, 120) : `view ${number(status?.view)}`,
    );
    tiles.epoch.box.classList.toggle("bad", Boolean(status?.alarm));
    fill(
      tiles.rate.chart,
      sparkline(
        recent.map((one) => one.count),
        "Transactions per block, newest on the right",
      ),
    );
    fill(
      tiles.gap.chart,
      sparkline(
        recent.slice(1).map((one, at) => one.time_ms - recent[at].time_ms),
        "Time between blocks, newest on the right",
      ),
    );
  }

  function drawRows() {
    const wanted = feed.heads.slice(0, ROWS_MAX);
    const fresh = wanted.filter((head) => !rows.has(head.height)).length;
    if (rows.size && away()) {
      later.hidden = !fresh;
      say(
        later,
        fresh >= ROWS_MAX
          ? `more than ${ROWS_MAX - 1} new blocks: show`
          : `${fresh} new ${fresh === 1 ? "block" : "blocks"}: show`,
      );
      drawAges();
      return;
    }
    later.hidden = true;
    const kept = new Set(wanted.map((head) => head.height));
    for (const [height, row] of rows) {
      if (kept.has(height)) continue;
      row.line.remove();
      rows.delete(height);
    }
    const first = rows.size === 0;
    for (const head of [...wanted].reverse()) {
      if (rows.has(head.height)) continue;
      const row = line(head, names());
      if (!first && fresh <= 4) row.line.classList.add("new");
      rows.set(head.height, row);
      body.prepend(row.line);
    }
    drawAges();
  }

  function drawAges() {
    for (const row of rows.values()) say(row.old, row.age());
  }

  const change = () => {
    timer ??= setTimeout(draw, Math.max(0, drawn + DRAW_MS - Date.now()));
  };
  feed.addEventListener("change", change);
  const ticking = setInterval(change, 1000);
  draw();
  return {
    view,
    title: "Live",
    end() {
      feed.removeEventListener("change", change);
      clearInterval(ticking);
      clearTimeout(timer);
    },
  };
}
