// The newest blocks, as the topic `heads` tells them.
//
// Owns what is kept of them (never more than HEADS_MAX), how old the newest is, and whether the
// feed can still be believed: the page greys out when its socket is gone or no block comes.

import { median } from "./words.js";

export const HEADS_MAX = 240;
const BACK = 60;
const GAP_MS_MIN = 2000;
const GAPS = 30;
const AHEAD_MAX = 1_000_000;

export class Feed extends EventTarget {
  constructor(rpc) {
    super();
    this.rpc = rpc;
    /** Newest first. */
    this.heads = [];
    this.newest = 0;
    this.service = null;
    this.status = null;
    this.heardAt = 0;
    this.missed = 0;
    /** Done when it is known whose service it is. */
    this.ready = new Promise((resolve) => {
      this.begun = resolve;
    });
    rpc.addEventListener("state", () => (rpc.state === "open" ? this.begin() : this.changed()));
    rpc.addEventListener("told", (event) => this.take(event.detail));
  }

  /** Whose service it is; then heads, from the beginning of what is shown or where that ended. */
  async begin() {
    try {
      const [service, status] = await Promise.all([
        this.rpc.ask("service_info", { genesis: false }),
        this.rpc.ask("node_status"),
      ]);
      if (this.service && this.service.pin !== service.pin) location.reload();
      this.service = service;
      this.status = status;
      this.begun();
      const executed = height(status.executed) ?? 0;
      if (executed < this.newest || executed - this.newest > HEADS_MAX) this.forget();
      const from = this.newest ? this.newest + 1 : Math.max(1, executed - BACK + 1);
      await this.rpc.ask("ledger_subscribe", { topic: "heads", from });
      this.rpc.tries = 0; // it answers: the next loss is a new one
    } catch (error) {
      this.dispatchEvent(new CustomEvent("problem", { detail: error }));
      this.rpc.socket.close();
    }
    this.changed();
  }

  forget() {
    this.heads = [];
    this.newest = 0;
  }

  take(told) {
    if (told?.topic !== "heads") return;
    if (told.missed) {
      this.missed += 1;
      return;
    }
    if (told.ended || height(told.height) === null || typeof told.time_ms !== "number") return;
    if (told.height <= this.newest || (this.newest && told.height > this.newest + AHEAD_MAX))
      return;
    this.newest = told.height;
    this.heardAt = Date.now();
    this.heads.unshift(told);
    if (this.heads.length > HEADS_MAX) this.heads.length = HEADS_MAX;
    this.changed();
  }

  /** Ask the node how it stands; with the answer comes whether anything waits. */
  async look() {
    const status = await this.rpc.probe();
    if (status) this.status = status;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** Milliseconds between the newest blocks, the middle one; null while there are too few. */
  get gap() {
    const times = this.heads.slice(0, GAPS + 1).map((head) => head.time_ms);
    return median(times.slice(1).map((time, at) => times[at] - time));
  }

  /** How old the newest block is, by the clock of this machine. */
  get age() {
    return this.heads.length ? Math.max(0, Date.now() - this.heads[0].time_ms) : null;
  }

  /** Can what is shown still be believed to be new? {word, kind, words} */
  get standing() {
    const node = this.status?.node ?? "";
    const files = this.status?.state === "files";
    if (this.rpc.state === "connecting" && !this.newest)
      return { kind: "wait", word: "connecting" };
    if (this.rpc.state !== "open") return { kind: "lost", word: "no connection" };
    if (files) return { kind: "files", word: "from files" };
    if (!this.heads.length) return { kind: "wait", word: `${node}: no block yet` };
    const quiet = Math.max(GAP_MS_MIN, 3 * (this.gap ?? 0));
    if (this.age <= quiet) return { kind: "live", word: `live, ${node}` };
    const waits = this.status?.mempool?.envelopes ?? 0;
    return waits
      ? { kind: "stale", word: `stalled: ${waits} wait, ${node}` }
      : { kind: "quiet", word: `quiet, ${node}` };
  }

  /** Transactions a second over the newest blocks; 0 when they are old. */
  get rate() {
    const heads = this.heads.slice(0, GAPS);
    if (heads.length < 2) return 0;
    const from = heads[heads.length - 1].time_ms;
    const seconds = (Math.max(heads[0].time_ms, Date.now() - GAP_MS_MIN) - from) / 1000;
    const sum = heads.slice(0, -1).reduce((total, head) => total + (head.count ?? 0), 0);
    return seconds > 0 ? sum / seconds : 0;
  }
}

/** A height as it may be used; null for anything else. */
export function height(value) {
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}
