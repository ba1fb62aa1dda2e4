// The live connection: a websocket that goes on where it stopped, and server-sent events where websockets do not pass.
// The user's log at the server is the truth. The page says the last entry it has, and gets the rest, in order.

import { get } from "./api.js";
import { after } from "./store.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A connection that lived this long was a good one: the next wait starts small again. */
const GOOD_AFTER_MS = 5_000;
/** Hidden or asleep for longer than this, a connection may be dead without anybody knowing. */
const STALE_AFTER_MS = 60_000;
/** So many websockets that never opened, though the service answers, mean that something between stops them. */
const BLOCKED_AFTER = 2;

const RESTART = 1012;
const SESSION_ENDED = 4401;
const TOO_MANY = 4429;
const EVENTS = ["report.queued", "report.started", "report.finished", "report.failed", "report.cancelled", "alerts.changed", "resync"];

/**
 * Keeps the connection. Fires `entry` (detail: the event, each once and in order), `state` (detail: `connecting`,
 * `live`, `waiting`, `offline` or `crowded`), `open` (detail: how many milliseconds there was none) and `signed-out`.
 */
export class Live extends EventTarget {
  #key;
  #memory;
  #socket = null;
  #source = null;
  #timer = 0;
  #failures = 0;
  #blocked = 0;
  #openedAt = 0;
  #lostAt = Date.now();
  #hiddenAt = 0;
  #stopped = false;

  /** `memory` keeps the last entry's id over a reload; each user has an own one. */
  constructor(user, memory = sessionStorage) {
    super();
    this.#key = `report.last.${user}`;
    this.#memory = memory;
  }

  start() {
    this.#connect();
    addEventListener("online", () => this.#again());
    addEventListener("offline", () => this.#tell("offline"));
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => event.persisted && this.#again());
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#watchSleep();
  }

  /** Ends it for good. */
  stop() {
    this.#stopped = true;
    this.#drop();
  }

  get lastId() {
    return this.#memory.getItem(this.#key) ?? "";
  }

  #connect() {
    this.#drop();
    if (this.#stopped) return;
    this.#tell(navigator.onLine ? "connecting" : "offline");
    if (this.#blocked >= BLOCKED_AFTER) this.#listen();
    else this.#dial();
  }

  #dial() {
    const address = new URL("/api/socket", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.lastId) address.searchParams.set("last_id", this.lastId);
    const socket = new WebSocket(address);
    this.#socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.#blocked = 0;
      this.#opened();
    };
    socket.onmessage = (message) => this.#received(message.data);
    socket.onclose = (close) => this.#socket === socket && this.#closed(close.code, opened);
  }

  #listen() {
    const query = this.lastId ? `?last_id=${encodeURIComponent(this.lastId)}` : "";
    const source = new EventSource(`/api/events${query}`);
    this.#source = source;
    source.onopen = () => this.#opened();
    for (const type of EVENTS) source.addEventListener(type, (message) => this.#received(message.data));
    // It would come back by itself, but with the address, and so the last id, that it started with.
    source.onerror = () => {
      if (this.#source !== source) return;
      this.#blocked = 0;
      this.#closed(0, true);
    };
  }

  #opened() {
    this.#openedAt = Date.now();
    this.#tell("live");
    this.dispatchEvent(new CustomEvent("open", { detail: this.#openedAt - this.#lostAt }));
  }

  #received(text) {
    let event;
    try {
      event = JSON.parse(text);
    } catch {
      return;
    }
    if (event.type === "resync") {
      // The server does not know our last entry: its log was cut, or is a new one. Ids may start anew, and the list is old.
      this.#memory.removeItem(this.#key);
      this.dispatchEvent(new CustomEvent("open", { detail: Infinity }));
      return;
    }
    if (event.id && !after(event.id, this.lastId)) return;
    this.dispatchEvent(new CustomEvent("entry", { detail: event }));
    if (event.id) this.#memory.setItem(this.#key, event.id);
  }

  async #closed(code, opened) {
    if (this.#openedAt) this.#lostAt = Date.now();
    const lived = this.#openedAt ? Date.now() - this.#openedAt : 0;
    this.#drop();
    if (code === SESSION_ENDED) return this.#signedOut();
    if (lived > GOOD_AFTER_MS) this.#failures = 0;
    if (!opened && await this.#refused()) return;
    const wait = waitAfter(code, this.#failures);
    this.#failures += 1;
    this.#tell(code === TOO_MANY ? "crowded" : navigator.onLine ? "waiting" : "offline");
    this.#later(wait);
  }

  /** A browser does not say why a websocket did not open. So ask: is the session over, or is something in the way? */
  async #refused() {
    try {
      await get("/api/me");
      this.#blocked += 1;
    } catch (problem) {
      if (problem.signedOut) {
        this.#signedOut();
        return true;
      }
    }
    // Something else may have connected while this asked.
    return this.#stopped || this.#socket !== null || this.#source !== null;
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  /** The network or the user came back: at once, without the wait. */
  #again() {
    this.#failures = 0;
    this.#blocked = 0;
    this.#connect();
  }

  #seen() {
    if (document.hidden) {
      this.#hiddenAt = Date.now();
      return;
    }
    const stale = this.#hiddenAt > 0 && Date.now() - this.#hiddenAt > STALE_AFTER_MS;
    if (!this.#openedAt || stale) this.#again();
  }

  /** A laptop that slept tells nobody; but its clock has jumped. */
  #watchSleep() {
    let last = Date.now();
    setInterval(() => {
      const slept = Date.now() - last > 2 * STALE_AFTER_MS;
      last = Date.now();
      if (slept && !this.#stopped) this.#again();
    }, STALE_AFTER_MS / 2);
  }

  #signedOut() {
    this.stop();
    this.dispatchEvent(new Event("signed-out"));
  }

  #drop() {
    clearTimeout(this.#timer);
    if (this.#openedAt) this.#lostAt = Date.now();
    this.#openedAt = 0;
    const [socket, source] = [this.#socket, this.#source];
    this.#socket = null;
    this.#source = null;
    socket?.close();
    source?.close();
  }

  #tell(state) {
    if (!this.#stopped) this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}

/** How long to wait before the next try, in milliseconds, after so many failures in a row. */
export function waitAfter(code, failures, random = Math.random) {
  // At a restart everybody is sent away at once: they shall not come back at once.
  if (code === RESTART) return random() * 5_000;
  if (code === TOO_MANY) return LONGEST_WAIT_MS;
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures);
  return most / 2 + random() * most / 2;
}
