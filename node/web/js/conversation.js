// The conversation of a room: what is held of its history, drawn so that the reader's place stays
// where it is, whatever comes in above or below.

import { events } from './api.js';
import { announce, h } from './dom.js';
import { MessageWindow } from './messagewindow.js';
import { newWords, WAITS_CHECK_MS } from './messageline.js';
import { Pills } from './pills.js';
import { arrived, onUnsent } from './outbox.js';
import { ReadMark } from './readmark.js';
import { isOwn, onState, placeOf } from './state.js';
import { plain } from './text.js';
import { timeline } from './timeline.js';
import { messageDetails } from './why.js';

const NEAR_PX = 700;

export class Conversation {
  #room;
  #held;
  #list = h('ol', { class: 'messages' });
  #scroller;
  #pills = new Pills({ goTo: (id) => this.goTo(id), toNewest: () => this.toNewest(), readAll: () => this.#mark.all() });
  #nodes = new Map();
  #since = new Map();
  #stick = true;
  #loading = 0;
  #early = events.connection !== 'open';
  #failed = false;
  #ready = false;
  #below = 0;
  #lateAbove = [];
  #mark;
  #ends = [];
  #frame = 0;
  #edit;

  /** `edit(text)` puts a text where one writes. */
  constructor(room, edit) {
    this.#room = room;
    this.#edit = edit;
    this.#held = new MessageWindow(room);
    this.#scroller = h('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': 'Conversation',
      on: { scroll: () => this.#scrolled(), keydown: (event) => this.#keys(event) } }, this.#list);
    this.node = h('div', { class: 'conversation' }, this.#pills.top, this.#scroller, this.#pills.bottom);
    this.#mark = new ReadMark(room, this.#scroller, this.#held, () => this.#drawPills());
    const resized = new ResizeObserver(() => { if (this.#stick) this.#toBottom(); this.#look(); });
    resized.observe(this.#scroller);
    const looked = () => this.#look();
    document.addEventListener('visibilitychange', looked);
    addEventListener('focus', looked);
    this.#ends = [
      () => resized.disconnect(),
      () => document.removeEventListener('visibilitychange', looked),
      () => removeEventListener('focus', looked),
      events.on('message', (message) => { if (message.room.id === room) this.#took(message); }),
      events.on('message_state', (message) => { if (message.room.id === room && this.#held.update(message)) this.#draw(); }),
      events.on('message_gone', ({ room: of, id }) => { if (of === room) this.#gone(id); }),
      events.on('reset', () => this.#reload()),
      events.on('connection', (connection) => { if (connection === 'open') this.#connected(); }),
      events.on('read', ({ room: of, unread: n }) => { if (of === room) this.#mark.told(n, null); }),
      onUnsent((of) => { if (of === room) this.#draw(); }),
      onState(() => { const place = placeOf(room); if (place) this.#mark.told(place.unread, place.first_unread); this.#drawPills(); }),
    ];
    this.#start();
  }

  /** Ends it: nothing is listened to any more. */
  end() {
    for (const end of this.#ends) end();
    this.#mark.end();
    cancelAnimationFrame(this.#frame);
  }

  /** Shows it again after it was hidden. */
  shown() {
    if (this.#stick) this.#toBottom();
    this.#look();
  }

  /** What the reader just wrote is looked at. */
  written() {
    this.#mark.forget();
    this.toNewest();
  }

  async #start() {
    await this.#load(() => this.#held.newest());
    if (this.#failed) return;
    this.#ready = true;
    this.#mark.begin(placeOf(this.#room)?.first_unread ?? null);
    this.#draw();
  }

  #connected() {
    // What came between the first page and the first event is in neither.
    if (this.#early && this.#ready) this.#reload();
    else this.#again();
    this.#early = false;
  }

  async #reload() {
    const middle = this.#stick ? null : this.#anchor()?.dataset.id;
    await this.#load(() => (middle ? this.#held.around(middle) : this.#held.newest()));
    this.#draw();
  }

  #queue = Promise.resolve();

  /** Runs requests for messages one after the other and draws what each brought. */
  #load(request) {
    this.#loading += 1;
    this.#queue = this.#queue.then(async () => {
      try {
        await request();
        this.#failed = false;
      } catch (problem) {
        if (problem.status === undefined) console.error(problem);
        this.#failed = true;
      }
      this.#loading -= 1;
      this.#draw();
    });
    return this.#queue;
  }

  #again() {
    if (!this.#ready) this.#start();
    else if (this.#failed) { this.#failed = false; this.#look(); }
  }

  #took(message) {
    const own = isOwn(message);
    if (own) arrived(message);
    this.#since.set(message.id, performance.now());
    if (message.state === 'pending') setTimeout(() => this.#draw(), WAITS_CHECK_MS);
    const where = this.#held.insert(message);
    if (where === 'known') { this.#draw(); return; }
    if (!own) {
      this.#mark.arrived(message);
      const atEnd = this.#held.list.at(-1)?.id === message.id;
      if (message.late || where === 'above') this.#lateAbove.push(message.id);
      else if (where === 'below' || (atEnd && !this.#stick)) this.#below += 1;
      if (document.visibilityState === 'visible') this.#say(message);
    }
    if (this.#stick) this.#held.trim();
    this.#draw();
  }

  #said = 0;
  #unsaid = 0;

  // A screen reader hears of what comes in, and is not flooded.
  #say(message) {
    if (this.node.hidden || message.live === false) return;
    this.#unsaid += 1;
    if (performance.now() - this.#said < 3000) return;
    this.#said = performance.now();
    announce(this.#unsaid > 1 ? newWords(this.#unsaid) : `${plain(message.author.name)}: ${plain(message.text).slice(0, 200)}`);
    this.#unsaid = 0;
  }

  #gone(id) {
    this.#lateAbove = this.#lateAbove.filter((late) => late !== id);
    if (!this.#held.remove(id)) return;
    this.#draw();
    announce('A message does not count any more and is shown no longer.');
  }

  #draw() {
    const items = timeline(this.#held, { room: this.#room, ready: this.#ready, failed: this.#failed, newAbove: this.#mark.line,
      since: this.#since, edit: this.#edit, again: () => this.#again() });
    const keys = new Set(items.map((item) => item.key));
    const anchor = this.#stick ? null : this.#anchor(keys);
    const before = anchor?.getBoundingClientRect().top;
    for (const [key, { node }] of this.#nodes) {
      if (!keys.has(key)) { node.remove(); this.#nodes.delete(key); }
    }
    let at = this.#list.firstChild;
    for (const { key, signature, build } of items) {
      let known = this.#nodes.get(key);
      if (known?.signature !== signature) {
        const node = build();
        if (known) {
          if (at === known.node) at = at.nextSibling;
          const focused = known.node.contains(document.activeElement);
          known.node.remove();
          this.#nodes.set(key, { node, signature });
          this.#list.insertBefore(node, at);
          if (focused) (node.querySelector('button') ?? node).focus();
          continue;
        }
        known = { node, signature };
        this.#nodes.set(key, known);
      }
      if (known.node === at) at = at.nextSibling; else this.#list.insertBefore(known.node, at);
    }
    if (this.#stick) this.#toBottom();
    else if (anchor) {
      const now = this.#nodes.get(anchor.dataset.id)?.node ?? anchor;
      this.#scroller.scrollTop += now.getBoundingClientRect().top - before;
    }
    this.#drawPills();
    this.#look();
  }

  /** The first message in view that stays on screen. */
  #anchor(keys) {
    const top = this.#scroller.getBoundingClientRect().top;
    for (const node of this.#list.children) {
      if (node.dataset.id && (!keys || keys.has(node.dataset.id)) && node.getBoundingClientRect().bottom > top) return node;
    }
    return null;
  }

  #toBottom() { this.#scroller.scrollTop = this.#scroller.scrollHeight; }

  #fromBottom() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrolled() {
    this.#stick = !this.#held.newer && this.#fromBottom() < 24;
    if (this.#stick) this.#below = 0;
    this.#look();
    this.#drawPills();
  }

  // Loads what the reader comes near to, and notes what was seen.
  #look() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      if (!this.#ready || this.node.hidden || !this.node.isConnected) return;
      this.#mark.look();
      if (this.#loading || this.#failed) return;
      if (this.#held.more && this.#scroller.scrollTop < NEAR_PX) this.#load(() => this.#held.older());
      else if (this.#held.newer && this.#fromBottom() < NEAR_PX) this.#load(() => this.#held.later());
    });
  }

  #drawPills() {
    if (!this.#ready) return;
    const top = this.#scroller.getBoundingClientRect().top;
    const isAbove = (id) => {
      const node = this.#nodes.get(id)?.node;
      return node ? node.getBoundingClientRect().bottom < top + 4 : !this.#held.has(id);
    };
    this.#lateAbove = this.#lateAbove.filter((id) => !this.#mark.hasSeen(id));
    const late = this.#lateAbove.filter(isAbove);
    const first = this.#mark.unread;
    this.#pills.draw({
      first: first && isAbove(first) && !late.includes(first) ? first : null,
      unread: placeOf(this.#room)?.unread ?? 0,
      late,
      below: this.#below,
      far: this.#held.newer || this.#fromBottom() > 200,
    });
  }

  /** Goes to the end. */
  async toNewest() {
    if (this.#held.newer) await this.#load(() => this.#held.newest());
    this.#stick = true;
    this.#below = 0;
    this.#draw();
  }

  /** Goes to a message, wherever in the history it is. */
  async goTo(id) {
    this.#stick = false;
    if (!this.#held.has(id)) await this.#load(() => this.#held.around(id));
    this.#draw();
    const node = this.#nodes.get(id)?.node;
    if (!node) return;
    node.scrollIntoView({ block: 'center' });
    node.focus({ preventScroll: true });
    node.classList.add('found');
    setTimeout(() => node.classList.remove('found'), 2500);
    this.#scrolled();
  }

  #keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const here = document.activeElement.closest?.('.message');
    if (event.key === 'End') { event.preventDefault(); this.toNewest(); }
    if ((event.key === 'j' || event.key === 'k') && event.target.tagName !== 'BUTTON') {
      const all = [...this.#list.querySelectorAll('.message')];
      const at = here ? all.indexOf(here) : event.key === 'k' ? all.length : all.indexOf(this.#anchor()) - 1;
      const to = all[at + (event.key === 'j' ? 1 : -1)];
      to?.focus({ preventScroll: true });
      to?.scrollIntoView({ block: 'nearest' });
    }
    if (event.key === 'Enter' && event.target === here && this.#held.has(here.dataset.id)) {
      // Else the same key would press the button that the dialog begins with.
      event.preventDefault();
      messageDetails(this.#held.of(here.dataset.id));
    }
  }
}
