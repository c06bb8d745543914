// What of a room was read: only what was on screen while the window was visible and had the focus,
// and only as far as nothing before it was left out.

import { post } from './api.js';
import { compare } from './messagewindow.js';
import { isOwn } from './state.js';

const DELAY_MS = 350;

export class ReadMark {
  /** The first message that is not read, or null. */
  unread = null;
  /** The message above which the line "New" stands, as long as the room is open. */
  line = null;
  #room;
  #scroller;
  #held;
  #onChange;
  #seen = new Set();
  #timer = 0;
  #upTo = null;
  #first = null;

  /** `held` is the room's `MessageWindow`, `onChange` is called when what is unread changes. */
  constructor(room, scroller, held, onChange) {
    this.#room = room;
    this.#scroller = scroller;
    this.#held = held;
    this.#onChange = onChange;
  }

  end() {
    clearTimeout(this.#timer);
    this.#tell();
  }

  begin(first) {
    this.unread ??= first;
    this.line ??= first;
  }

  hasSeen(id) { return this.#seen.has(id); }

  arrived(message) {
    const first = this.unread && (this.#held.of(this.unread) ?? this.#first);
    if (!this.unread) {
      // The line marks where to go on reading: not needed while one looks on.
      if (!watched()) this.line = message.id;
    }
    if (!this.unread || (first && compare(message, first) < 0)) {
      this.unread = message.id;
      this.#first = message;
    }
  }

  /** The node's own count: another window may have read on, or this one does not know of a message. */
  told(unread, first) {
    if (!unread) this.unread = null;
    else if (first && !this.#upTo && (!this.unread || this.#isLater(first))) this.unread = first;
  }

  // A late message may be the first unread one, and what comes right after it be read already.
  #isLater(first) {
    const [next, now] = [this.#held.of(first), this.#held.of(this.unread)];
    return next && now && compare(next, now) > 0;
  }

  /** The reader takes part: the line has done its work. */
  forget() { this.line = null; }

  all() {
    this.unread = null;
    this.line = null;
    this.#upTo = null;
    post('/v1/read', { room: this.#room, up_to: null }).catch(() => {});
    this.#onChange();
  }

  /** Looks what is on screen now. */
  look() {
    if (!watched() || !this.unread) return;
    const view = this.#scroller.getBoundingClientRect();
    for (const node of this.#scroller.querySelectorAll('.message[data-id]')) {
      if (this.#seen.has(node.dataset.id)) continue;
      const box = node.getBoundingClientRect();
      const whole = box.bottom <= view.bottom + 8 && box.bottom > view.top + 8;
      const fills = box.top <= view.top && box.bottom >= view.bottom;
      if (whole || fills) this.#seen.add(node.dataset.id);
    }
    const { list, newer } = this.#held;
    const from = list.findIndex((message) => message.id === this.unread);
    if (from < 0) return;
    let at = from;
    while (at < list.length && (this.#seen.has(list[at].id) || isOwn(list[at]))) at += 1;
    if (at === from) return;
    this.#upTo = list[at - 1].id;
    this.unread = list[at]?.id ?? null;
    if (!this.unread && newer) this.unread = list[at - 1].id;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell(), DELAY_MS);
    this.#onChange();
  }

  #tell() {
    if (!this.#upTo) return;
    const upTo = this.#upTo;
    this.#upTo = null;
    post('/v1/read', { room: this.#room, up_to: upTo }).catch(() => {});
  }
}

/** Whether somebody can be looking at this window. */
export function watched() {
  return document.visibilityState === 'visible' && document.hasFocus();
}
