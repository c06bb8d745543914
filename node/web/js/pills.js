// The buttons that float over a conversation: to the first unread message, to late ones, to the newest.

import { button, fill, h, icon } from './dom.js';
import { newWords } from './messageline.js';
import { count } from './text.js';

export class Pills {
  top = h('div', { class: 'pills pills-top' });
  bottom = h('div', { class: 'pills pills-bottom' });
  #acts;
  #drawn = '';

  /** `acts`: `goTo(id)`, `toNewest()`, `readAll()`. */
  constructor(acts) { this.#acts = acts; }

  /** `first`: the first of `unread`, if it is above; `late`: those above; `below`: how many new ones are. */
  draw(now) {
    const signature = JSON.stringify(now);
    if (signature === this.#drawn) return;
    this.#drawn = signature;
    const { first, unread, late, below, far } = now;
    const { goTo, toNewest, readAll } = this.#acts;
    fill(this.top,
      first && h('span', { class: 'pill' },
        button([icon('up'), `${unread > 0 ? `${count(unread, 'unread message')}: ` : ''}go to the first`], () => goTo(first)),
        button('Mark as read', readAll, { class: 'quiet' })),
      late.length > 0 && h('span', { class: 'pill' },
        button([icon('clock'), `${count(late.length, 'message')} arrived late, above`], () => goTo(late[0]))));
    fill(this.bottom, far && h('span', { class: 'pill' },
      button([icon('down'), below > 0 ? newWords(below) : 'Newest'], toNewest, { label: `${below > 0 ? `${newWords(below)}: go` : 'Go'} to the newest` })));
  }
}
