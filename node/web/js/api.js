// The page's only way to its node: the local API, with the session cookie that the one-time link set.

/** What went wrong and what to do next. */
export class Problem extends Error {
  constructor({ kind, message, hint, status }) {
    super(message);
    Object.assign(this, { kind, hint, status });
  }
}

const UNREACHABLE = {
  kind: 'not_running', status: 0,
  message: 'The node does not answer.',
  hint: 'Start it with `conclave up`; this page goes on by itself.',
};

async function call(method, path, { params, body } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  const init = { method, credentials: 'same-origin', headers: {} };
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
    kind: document.kind ?? document.error?.kind ?? 'failed',
    message: document.detail ?? document.error?.message ?? `The node answered ${response.status}.`,
    hint: document.hint ?? document.error?.hint ?? '',
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
 */
class Events {
  #listeners = new Map();
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
    }
    for (const listener of [...this.#listeners.get(kind) ?? []]) {
      try { listener(data); } catch (error) { console.error(error); }
    }
  }

  /** The last event that arrived, so that a new stream goes on after it. */
  #last = '';

  open() {
    this.#source?.close();
    const source = new EventSource(this.#last ? `/v1/events?after=${encodeURIComponent(this.#last)}` : '/v1/events');
    this.#source = source;
    source.onopen = () => { this.#retryMs = 500; this.emit('connection', 'open'); };
    source.onerror = () => {
      source.close();
      if (this.#source !== source) return;
      if (this.connection !== 'signed-out') this.emit('connection', 'lost');
      setTimeout(() => this.#again(source), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, 5000);
    };
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) this.#last = event.lastEventId;
        let data;
        try { data = JSON.parse(event.data); } catch { return; }
        if (kind === 'lagged') { this.#last = ''; this.emit('reset', {}); this.open(); return; }
        this.emit(kind, data);
      });
    }
  }

  /** EventSource does not tell a refusal from a node that is away: a request does. */
  async #again(source) {
    if (this.#source !== source) return;
    try {
      await get('/v1/status');
    } catch (problem) {
      if (problem.status !== 401) { setTimeout(() => this.#again(source), this.#retryMs); return; }
      return;
    }
    this.open();
  }
}

export const events = new Events();
