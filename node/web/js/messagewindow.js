// The part of a room's history that is held here: an unbroken run that moves with the reader.

import { get } from './api.js';

const PAGE = 60;
const HELD_MAX = 300;

/** The order that all nodes show. */
export function compare(a, b) {
  return a.height - b.height || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

export class MessageWindow {
  list = [];
  more = false;
  /** Newer ones exist that are not held. */
  newer = false;
  #room;
  #ids = new Map();
  // What arrived while a whole page is under way, which may not know it yet.
  #arrived = null;
  #turn = 0;

  constructor(room) { this.#room = room; }

  has(id) { return this.#ids.has(id); }
  of(id) { return this.#ids.get(id); }

  newest() { return this.#replace({}); }

  around(id) { return this.#replace({ around: id }); }

  async #replace(where) {
    const turn = ++this.#turn;
    this.#arrived = [];
    let page;
    try {
      page = await get('/v1/messages', { room: this.#room, limit: PAGE, ...where });
    } finally {
      if (turn === this.#turn && !page) this.#arrived = null;
    }
    if (turn !== this.#turn) return;
    const arrived = this.#arrived;
    this.#arrived = null;
    this.list = [];
    this.#ids.clear();
    this.more = page.more;
    this.newer = page.newer ?? false;
    this.#merge(page.messages);
    for (const message of arrived) this.insert(message);
  }

  async older() {
    const turn = this.#turn;
    const page = await get('/v1/messages', { room: this.#room, limit: PAGE, before: this.list[0]?.id });
    if (turn !== this.#turn) return;
    this.more = page.more;
    this.#merge(page.messages);
    if (this.list.length > HELD_MAX) {
      this.#drop(this.list.splice(HELD_MAX));
      this.newer = true;
    }
  }

  async later() {
    const turn = this.#turn;
    const page = await get('/v1/messages', { room: this.#room, limit: PAGE, after: this.list.at(-1)?.id });
    if (turn !== this.#turn) return;
    this.newer = page.newer ?? false;
    this.#merge(page.messages);
    this.trim();
  }

  /** Lets the oldest go if too many are held; for when the reader is at the newest. */
  trim() {
    if (this.list.length <= HELD_MAX) return;
    this.#drop(this.list.splice(0, this.list.length - HELD_MAX));
    this.more = true;
  }

  /** Takes a message that became visible: `held`, `known`, or beyond what is held: `above`, `below`. */
  insert(message) {
    this.#arrived?.push(message);
    if (this.#ids.has(message.id)) { this.update(message); return 'known'; }
    if (this.list.length) {
      if (this.more && compare(message, this.list[0]) < 0) return 'above';
      if (this.newer && compare(message, this.list.at(-1)) > 0) return 'below';
    } else if (this.newer || this.more) return 'below';
    this.#merge([message]);
    return 'held';
  }

  update(message) {
    const at = this.list.findIndex((held) => held.id === message.id);
    if (at < 0) return false;
    this.list[at] = { ...message, late: message.late ?? this.list[at].late };
    this.#ids.set(message.id, this.list[at]);
    return true;
  }

  remove(id) {
    if (!this.#ids.delete(id)) return false;
    this.list = this.list.filter((message) => message.id !== id);
    return true;
  }

  #drop(messages) { for (const message of messages) this.#ids.delete(message.id); }

  #merge(messages) {
    for (const message of messages) {
      if (this.#ids.has(message.id)) continue;
      this.#ids.set(message.id, message);
      this.list.push(message);
    }
    this.list.sort(compare);
  }
}
