// JSON-RPC over one WebSocket of the node that served this page.
//
// Owns the socket: it opens it, and opens it again when it is gone. Every bound is named; what the
// node says is believed in nothing but its form.

export const WAITING_MAX = 32;
export const ANSWER_MS = 15_000;
const AGAIN_MS = [500, 1000, 2000, 4000, 8000];
const SILENT_MS = 25_000;

export class Refused extends Error {
  constructor(error) {
    super(typeof error?.message === "string" ? error.message.slice(0, 400) : "the node refuses");
    this.code = error?.code;
    this.retryMs = error?.data?.retry_after_ms;
  }
}

export class Rpc extends EventTarget {
  constructor(address) {
    super();
    this.address = address;
    this.state = "connecting";
    this.waiting = new Map();
    this.next = 1;
    this.tries = 0;
    this.open();
  }

  open() {
    this.tell("connecting");
    let socket;
    try {
      socket = new WebSocket(this.address);
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    socket.addEventListener("open", () => this.tell("open"));
    socket.addEventListener("message", (event) => this.take(event.data));
    socket.addEventListener("close", () => this.socket === socket && this.lost());
  }

  lost() {
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Error("the connection to the node is gone"));
    }
    this.waiting.clear();
    const again = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)];
    this.tries += 1;
    this.tell("lost");
    setTimeout(() => this.open(), again);
  }

  tell(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** What one call gives. Refused: the node says no; Error: no answer. */
  async ask(method, params = {}) {
    if (this.state === "connecting") await this.opened();
    if (this.state !== "open") throw new Error("there is no connection to the node");
    if (this.waiting.size >= WAITING_MAX) throw new Error("too many questions wait for the node");
    const id = this.next;
    this.next += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error("the node does not answer"));
      }, ANSWER_MS);
      this.waiting.set(id, { resolve, reject, timer });
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  opened() {
    return new Promise((resolve) => {
      const look = () => {
        if (this.state === "connecting") return;
        this.removeEventListener("state", look);
        resolve();
      };
      this.addEventListener("state", look);
    });
  }

  take(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.socket.close();
      return;
    }
    if (frame?.method === "ledger_event") {
      this.dispatchEvent(new CustomEvent("told", { detail: frame.params }));
      return;
    }
    const asked = this.waiting.get(frame?.id);
    if (!asked) return;
    this.waiting.delete(frame.id);
    clearTimeout(asked.timer);
    if (frame.error) asked.reject(new Refused(frame.error));
    else asked.resolve(frame.result);
  }

  /** Ask for a sign of life: a socket that says nothing at all is closed, and opened anew. */
  async probe() {
    if (this.state !== "open") return;
    const socket = this.socket;
    const timer = setTimeout(() => socket.close(), SILENT_MS);
    try {
      return await this.ask("node_status");
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}
