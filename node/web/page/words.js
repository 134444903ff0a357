// Numbers, sizes and times in words. Pure: knows neither the page nor the network.

const NUMBER = new Intl.NumberFormat("en");

/** 1204 → 1,204; what is no number is a dash. */
export function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? NUMBER.format(value) : "–";
}

/** Bytes, in three digits. */
export function size(bytes) {
  if (typeof bytes !== "number") return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  let value = bytes;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

/** How long, from milliseconds. */
export function span(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** How long ago a moment was, by the clock of this machine; never less than tenths of a second. */
export function age(ms) {
  const past = Math.max(0, Date.now() - ms);
  return past < 1000 ? `${(past / 1000).toFixed(1)} s` : span(past);
}

/** A moment, in UTC, to the millisecond. */
export function moment(ms) {
  if (typeof ms !== "number" || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return "–";
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** A rate per second, with as many digits as mean something. */
export function rate(perSecond) {
  if (!Number.isFinite(perSecond)) return "–";
  return perSecond < 10 ? perSecond.toFixed(1) : NUMBER.format(Math.round(perSecond));
}

/** The middle of some numbers; null for none. */
export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

/** "1 block", "2 blocks". */
export function count(n, word) {
  return `${number(n)} ${word}${n === 1 ? "" : "s"}`;
}
