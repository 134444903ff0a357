// How the page is made: one helper that makes elements, and text that cannot harm.
//
// Owns every element of the page. Text becomes text nodes alone: nothing here reads markup, and the
// page's headers refuse it (Trusted Types).

import { shown } from "./check/shown.js";

export { shown };

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "polyline", "rect", "path", "circle", "title", "line"]);

/** An element: `el("a.id", {href: "#/live"}, "text", child, [more], null)`. */
export function el(name, attributes, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = DRAWN.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined)
      made.setAttribute(key, value);
  }
  if (classes.length) made.classList.add(...classes);
  put(made, children);
  return made;
}

function put(parent, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace all that is inside. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  put(parent, children);
  return parent;
}

/** Set a text only when it differs: what did not change is not painted. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A name of the ledger; the whole of it on hovering. */
export function name(text, max = 24) {
  return el("span.name", { title: shown(text, 512), dir: "ltr" }, shown(text, max));
}

/** A button that copies the whole of a text. */
export function copy(text, what) {
  const button = el("button.copy", {
    type: "button",
    title: `Copy ${what}`,
    "aria-label": `Copy ${what}`,
  });
  fill(button, icon("M8 8V4h12v12h-4M4 8h12v12H4z"));
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const done = await copied(String(text));
    button.classList.add(done ? "done" : "failed");
    setTimeout(() => button.classList.remove("done", "failed"), 1200);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el("textarea.unseen", { readonly: true, "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function icon(path) {
  return el(
    "svg",
    { viewBox: "0 0 24 24", width: 14, height: 14, "aria-hidden": "true" },
    el("path", {
      d: path,
      fill: "none",
      stroke: "currentColor",
      "stroke-width": 2,
      "stroke-linejoin": "round",
      "stroke-linecap": "round",
    }),
  );
}

/** A digest or key: its beginning, a way there, and a button that copies all of it. */
export function id(text, { to = null, what = "all digits", digits = 12 } = {}) {
  const short = text.length > digits + 4 ? `${text.slice(0, digits)}…` : text;
  const label = to
    ? el("a.mono", { href: to, title: text }, short)
    : el("span.mono", { title: text }, short);
  return el("span.id", null, label, copy(text, what));
}

/** Rows of words and values. */
export function facts(rows) {
  return el(
    "dl.facts",
    null,
    rows.filter(Boolean).map(([word, ...value]) => [el("dt", null, word), el("dd", null, value)]),
  );
}

export function card(title, ...children) {
  return el("section.card", null, title ? el("h2", null, title) : null, children);
}

/** What went wrong, and what to do next. */
export function problem(words) {
  return el("p.problem", { role: "alert" }, words);
}

/** A table inside a frame that scrolls by itself, should the window be too small. */
export function table(caption, heads, body) {
  const columns = heads.map((head) => {
    const [words, kind] = Array.isArray(head) ? head : [head, ""];
    return el(`th${kind ? `.${kind.split(" ").join(".")}` : ""}`, { scope: "col" }, words);
  });
  return el(
    "div.frame",
    { tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      null,
      el("caption.unseen", null, caption),
      el("thead", null, el("tr", null, columns)),
      body,
    ),
  );
}

/** Let the browser save a file that never leaves this machine. */
export function save(fileName, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = el("a", { href: address, download: fileName });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The bytes of base64. */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

/** A command line to copy. */
export function command(words) {
  return el("p.command", null, el("code", null, words), copy(words, "the command"));
}
