// The live feed of alert events: server-sent events over fetch, resumed by id, honest about its state.
import { Problem } from "./api.mjs";
import { signal } from "./view.mjs";

/** "connecting", "live", "reconnecting" or "off". */
export const connection = signal("off");

/** Whether what feeds the stream waits for Kafka or the database. */
export const isStandingStill = signal(false);

const ASK_EVERY_MS = 10_000;

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
// The server breaks its silence every 15 s; three of those missed and the line is dead, whatever the socket says.
const SILENCE_MS = 45_000;

/**
 * Delivers every event after `lastEventId`, in order, each once, until `close` is called.
 * `onEvent(name, data, id)` gets parsed JSON; `onGap` is called when the server can no longer resume from there.
 */
export function openStream(path, lastEventId, { onEvent, onGap }) {
  let cursor = lastEventId;
  let abort = null;
  let isClosed = false;
  let retryMs = FIRST_RETRY_MS;
  let wake = null;

  async function run() {
    connection.value = "connecting";
    while (!isClosed) {
      try {
        await listen();
      } catch (error) {
        if (error.status === 403) break;
        // Asking anew tells a session that is over.
        if ([400, 401, 410].includes(error.status)) await onGap((id) => (cursor = id)).catch(() => {});
      }
      if (isClosed) break;
      connection.value = "reconnecting";
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, retryMs * (0.75 + Math.random() / 2));
      });
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
    connection.value = "off";
  }

  async function listen() {
    abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (cursor != null) headers["Last-Event-ID"] = String(cursor);
    const response = await fetch(path, { headers, signal: abort.signal, credentials: "same-origin", cache: "no-store" });
    if (!response.ok) throw new Problem(response.status);
    connection.value = "live";
    retryMs = FIRST_RETRY_MS;
    let watchdog = null;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    const parser = new Parser((event) => {
      if (event.id !== "") cursor = event.id;
      if (event.name === "resync") onGap(() => {}).catch(() => {});
      else if (event.data !== "") onEvent(event.name, JSON.parse(event.data), event.id);
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (;;) {
        alive();
        const { value, done } = await reader.read();
        if (done) return;
        parser.feed(value);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  const hurry = () => wake?.();
  addEventListener("online", hurry);
  run();
  return {
    close() {
      isClosed = true;
      removeEventListener("online", hurry);
      abort?.abort();
      wake?.();
    },
  };
}

/** Asks every few seconds, while the page is looked at, whether the service stands still. Returns what ends it. */
export function watchStandstill() {
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      isStandingStill.value = (await fetch("/readyz", { cache: "no-store" })).status === 503;
    } catch {
      // A service that is away is told by the stream.
      isStandingStill.value = false;
    }
  }, ASK_EVERY_MS);
  return () => clearInterval(timer);
}

/** Server-sent events as the HTML standard (9.2.6) has them, from pieces cut anywhere. */
export class Parser {
  #rest = "";
  #name = "";
  #data = [];
  #id = "";

  constructor(emit) {
    this.emit = emit;
  }

  feed(piece) {
    this.#rest += piece;
    for (;;) {
      const end = this.#rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      this.#take(line);
    }
  }

  #take(line) {
    if (line === "") {
      if (this.#data.length || this.#id) this.emit({ name: this.#name || "message", data: this.#data.join("\n"), id: this.#id });
      this.#name = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
  }
}
