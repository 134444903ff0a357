// The page: header, views by the address's hash, keys, foot.
//
// Owns what is there whatever view is open. Views are functions that give an element, a title and
// how to end them.

import { block } from "./block.js";
import { check } from "./check.js";
import { copy, el, fill, problem, say, shown } from "./dom.js";
import { Feed } from "./feed.js";
import { foot, readerCard } from "./foot.js";
import { govern } from "./govern.js";
import { live } from "./live.js";
import { nodes } from "./nodes.js";
import { Rpc } from "./rpc.js";
import { search } from "./search.js";
import { transaction } from "./transaction.js";
import { number, rate } from "./words.js";

const SAID_MS = 5000;
const LOOK_MS = 3000;
const by = (name) => document.getElementById(name);

const rpc = new Rpc(new URL("ws", document.baseURI.replace(/^http/, "ws")).href);
const feed = new Feed(rpc);
const context = {
  rpc,
  feed,
  about: null,
  given: null,
  check(text) {
    context.given = text;
    location.hash = "#/check";
  },
};
let open = null;
let turn = 0;

const VIEWS = {
  live: async () => live(feed),
  block: (rest) => block(context, rest[0] || "latest", Number(rest[1]) || 0),
  tx: (rest) => transaction(context, rest[0] ?? ""),
  nodes: () => nodes(context),
  govern: () => govern(context),
  check: () => check(context),
  search: (rest) => search(context, rest.join("/")),
};

async function route() {
  const [word, ...rest] = parts();
  const view = by("view");
  const mine = ++turn;
  // The address changes at once, its event comes later: an answer between them is late, too.
  const asked = location.hash;
  const late = () => mine !== turn || location.hash !== asked;
  open?.end?.();
  open = null;
  for (const link of document.querySelectorAll("nav a")) {
    const active = link.getAttribute("href").split("/")[1] === (word === "tx" ? "block" : word);
    if (active) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    const made = await (VIEWS[word] ?? VIEWS.live)(rest);
    if (late()) {
      made?.end?.();
      return;
    }
    if (made.instead) {
      // At once: whoever goes on meanwhile is not taken back to what was asked for before.
      history.replaceState(null, "", made.instead);
      await route();
      return;
    }
    open = made;
    document.title = `${made.title} · ${shown(feed.service?.name ?? "Strongroom")}`;
    fill(view, made.view, word === "nodes" ? readerCard(context.about) : null);
    if (word === "govern" && rest[0]) by(`proposal-${rest[0]}`)?.scrollIntoView();
    else window.scrollTo(0, 0);
  } catch (error) {
    if (late()) return;
    fill(
      view,
      problem(error.message),
      el("p", null, el("button", { type: "button", onclick: route }, "Ask again")),
    );
  }
}

function parts() {
  const found = location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter(Boolean)
    .map((one) => {
      try {
        return decodeURIComponent(one);
      } catch {
        return one;
      }
    });
  return found.length ? found : ["live"];
}

// --- header ---

let pinned = "";
function header() {
  const service = feed.service;
  const standing = feed.standing;
  const state = by("state");
  state.className = `state ${standing.kind}`;
  say(state.lastElementChild, shown(standing.word, 60));
  document.body.classList.toggle(
    "old",
    standing.kind === "lost" || standing.kind === "stale" || standing.kind === "quiet",
  );
  document.body.classList.toggle("lost", standing.kind === "lost");
  if (!service) return;
  say(by("name"), shown(service.name, 28));
  by("name").title = shown(service.name, 512);
  by("simulated").hidden = !service.simulated;
  by("simulated").title =
    "SIMULATED platform: a root user of a node’s machine reads its enclave. Not for secrets.";
  if (pinned !== service.pin) {
    pinned = service.pin;
    fill(
      by("pin"),
      el("span.quiet", null, "pin "),
      el(
        "span.mono",
        { title: shown(pinned, 80) },
        `${shown(pinned.slice(0, 8))}…${shown(pinned.slice(-4))}`,
      ),
      copy(pinned, "the pin that this node shows"),
    );
  }
}

let lastSaid = 0;
let lastWords = "";
function speak() {
  if (Date.now() - lastSaid < SAID_MS) return;
  const words = feed.newest
    ? `Height ${number(feed.newest)}, ${rate(feed.rate)} a second, ${feed.standing.word}`
    : feed.standing.word;
  if (words === lastWords) return;
  lastSaid = Date.now();
  lastWords = words;
  say(by("said"), shown(words, 120));
}

feed.addEventListener("change", header);
feed.addEventListener("problem", (event) => say(by("said"), shown(event.detail.message, 200)));
setInterval(() => {
  header();
  speak();
}, 500);
setInterval(() => {
  if (!document.hidden) feed.look();
}, LOOK_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) feed.look();
});

// --- keys and search ---

by("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = by("query").value.trim();
  if (!text) return;
  by("query").blur();
  const way = `#/search/${encodeURIComponent(text)}`;
  if (location.hash === way) route();
  else location.hash = way;
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select");
  if (event.key === "Escape" && event.target === by("query")) by("query").blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    by("query").focus();
    by("query").select();
  } else if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
  else if (/^[1-5]$/.test(event.key))
    location.hash = document.querySelectorAll("nav a")[Number(event.key) - 1].getAttribute("href");
});

/** To the next row's link, or the one before. */
function move(by_) {
  const links = [...document.querySelectorAll("#view [data-row], #view tbody a.mono")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const to =
    at < 0 ? (by_ > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by_));
  links[to].focus();
}

window.addEventListener("hashchange", route);
route();
foot(context, by("foot"));
