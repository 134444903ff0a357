// Two small pictures: a line of numbers, and the newest blocks side by side.
//
// Owns shapes alone; drawn with SVG, without a library. Each says in words what it shows.

import { el, fill } from "./dom.js";

const WIDTH = 240;
const HEIGHT = 40;

/** A sparkline: the newest value on the right. */
export function sparkline(values, words) {
  const chart = el("svg.spark", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": words,
  });
  if (values.length < 2) return chart;
  const most = Math.max(...values, 1e-9);
  const points = values.map((value, at) =>
    [(at / (values.length - 1)) * WIDTH, HEIGHT - 3 - (Math.max(0, value) / most) * (HEIGHT - 8)]
      .map((one) => one.toFixed(1))
      .join(","),
  );
  return fill(
    chart,
    el("path", { class: "area", d: `M0,${HEIGHT} L${points.join(" L")} L${WIDTH},${HEIGHT} Z` }),
    el("polyline", {
      points: points.join(" "),
      class: "line",
      "vector-effect": "non-scaling-stroke",
    }),
  );
}

/** One bar per block, oldest left: the higher the more transactions, coloured by proposer. */
export function ribbon(heads, proposers, most) {
  const shown = heads.slice(0, most).reverse();
  const peak = Math.max(...shown.map((head) => head.count), 1);
  const bars = shown.map((head) => {
    const part = head.count ? 0.25 + 0.75 * (Math.log1p(head.count) / Math.log1p(peak)) : 0.08;
    const bar = el(`i.by${proposers(head.proposer) % 8}`, null);
    bar.style.setProperty("--part", part.toFixed(3));
    return el(
      "a",
      {
        href: `#/block/${head.height}`,
        tabindex: -1,
        title: `block ${head.height}: ${head.count} transactions`,
      },
      bar,
    );
  });
  return bars;
}
