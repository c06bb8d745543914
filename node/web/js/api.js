// The page's only way to its node: the local API, with the session cookie that the one-time link set.

/** What went wrong and what to do next. */
export class Problem extends Error {
  constructor({ kind, message, hint, status }) {
    super(message);
    Object.assign(this, { kind, hint, status });
  }
}

const UNREACHABLE = { kind: 'not_running', status: 0, message: 'The node does not answer.', hint: 'Start it with `conclave up`; this page goes on by itself.' };

async function call(method, path, { params, body } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  const init = { method, headers: {} };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, init);
  } catch {
    throw new Problem(UNREACHABLE);
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const document = await response.json().catch(() => ({}));
  const problem = new Problem({
    kind: document.kind ?? 'failed',
    message: document.detail ?? `The node answered ${response.status}.`,
    hint: document.hint ?? '',
    status: response.status,
  });
  if (response.status === 401) events.emit('connection', 'signed-out');
  throw problem;
}

export const get = (path, params) => call('GET', path, { params });
export const post = (path, body = {}) => call('POST', path, { body });
export const put = (path, body = {}) => call('PUT', path, { body });

const KINDS = ['hello', 'reset', 'lagged', 'message', 'message_state', 'message_gone', 'control', 'alarm',
  'join', 'join_requests', 'presence', 'read', 'instants'];

/**
 * News of the node, and the state of the connection with it: `connection` is told as `connecting`,
 * `open`, `lost` or `signed-out`. After `reset` everything shown has to be read again.
 *
 * A browser makes six connections to a node, for all windows together: one of them leads, and tells
 * the others what it hears.
 */
class Events {
  #listeners = new Map();
  #others = new BroadcastChannel('events');
  #leads = false;
  #source = null;
  #retryMs = 500;
  connection = 'connecting';

  /** Calls `listener` with the data of each event of that kind. Gives a function that ends it. */
  on(kind, listener) {
    if (!this.#listeners.has(kind)) this.#listeners.set(kind, new Set());
    this.#listeners.get(kind).add(listener);
    return () => this.#listeners.get(kind).delete(listener);
  }

  emit(kind, data) {
    if (kind === 'connection') {
      if (this.connection === data) return;
      this.connection = data;
      if (data === 'open') this.#retryMs = 500;
    }
    for (const listener of [...this.#listeners.get(kind) ?? []]) {
      try { listener(data); } catch (error) { console.error(error); }
    }
  }

  #tell(kind, data) {
    this.emit(kind, data);
    this.#others.postMessage([kind, data, this.#last]);
  }

  /** The last event that arrived, so that a new stream goes on after it. */
  #last = '';

  start() {
    this.#others.onmessage = ({ data: [kind, data, last] }) => {
      if (kind === 'open') this.#wanted();
      else {
        this.#last = last;
        this.emit(kind, data);
        if (data === 'lost') this.#again(null);
      }
    };
    // A page that is only kept for Back must not lead.
    const leaving = new AbortController();
    const { signal } = leaving;
    addEventListener('pagehide', () => leaving.abort());
    addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
    navigator.locks.request('events', { signal }, () => new Promise((leave) => {
      signal.onabort = () => { this.#source.close(); leave(); };
      this.#leads = true;
      this.#open();
    })).catch(() => {});
    this.#others.postMessage(['open']);
  }

  #wanted() {
    if (!this.#leads) return;
    if (this.connection === 'open') this.#tell('connection', 'open');
    else if (this.connection !== 'connecting') this.#open();
  }

  #open() {
    this.#source?.close();
    const source = new EventSource(this.#last ? `/v1/events?after=${encodeURIComponent(this.#last)}` : '/v1/events');
    this.#source = source;
    source.onopen = () => this.#tell('connection', 'open');
    source.onerror = () => {
      source.close();
      if (this.#source !== source) return;
      if (this.connection !== 'signed-out') this.#tell('connection', 'lost');
      this.#later(source);
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) this.#last = event.lastEventId;
        let data;
        try { data = JSON.parse(event.data); } catch { return; }
        if (kind === 'lagged') { this.#last = ''; this.#tell('reset', {}); this.#open(); return; }
        this.#tell(kind, data);
      });
    }
  }

  #later(source) {
    setTimeout(() => this.#again(source), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, 5000);
  }

  /** EventSource does not tell a refusal from a node that is away: a request does. */
  async #again(source) {
    if (this.#source !== source || this.connection === 'open') return;
    try {
      await get('/v1/status');
    } catch (problem) {
      if (problem.status !== 401) this.#later(source);
      return;
    }
    // A window that nobody sees wakes seldom: whoever notices first says so.
    if (this.#leads) this.#open(); else this.#others.postMessage(['open']);
  }
}

export const events = new Events();
