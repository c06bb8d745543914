// Everything about one message, and why it counts or not.

import { get } from './api.js';
import { button, dialog, fill, h, icon, problemBox } from './dom.js';
import { closeFooter } from './okform.js';
import { body, fullTime, name, plain } from './text.js';

const STATES = {
  pending: 'Waiting: no other device has it yet',
  accepted: 'Accepted: other devices have it',
  vouched: 'Vouched for: its author has no access any more; a member confirmed it was written before that',
  void: 'Refused: it does not count any more',
};


/** A button that copies a text and says so. */
export function copyButton(words, text) {
  const copy = button(words, async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = 'Copied';
    } catch {
      copy.textContent = 'Copying is not allowed here';
    }
    setTimeout(() => { copy.textContent = words; }, 1500);
  });
  return copy;
}

/** Shows everything about a message. */
export function messageDetails(message) {
  return dialog('Message', (close) => {
    const chain = h('div', null, h('p', { class: 'hint' }, 'Asking the node…'));
    explain(message.id, chain);
    return [h('div', { class: 'dialog-body details', tabindex: '0' },
      h('blockquote', null, body(message.text)),
      h('dl', null,
        h('dt', null, 'From'), h('dd', null, name(message.author)),
        h('dt', null, 'Written'), h('dd', null, fullTime(message.time), h('span', { class: 'quiet-text' }, " by the author's clock")),
        h('dt', null, 'State'), h('dd', null, STATES[message.state] ?? message.state),
        message.incomplete && [h('dt', null, 'Before it'), h('dd', null, 'Something is still on its way here')],
        message.late && [h('dt', null, 'Arrival'), h('dd', null, 'It arrived late, after newer ones were read')],
        h('dt', null, 'Id'), h('dd', null, h('code', { class: 'id' }, message.id)),
        h('dt', null, 'Device'), h('dd', null, h('code', { class: 'id' }, message.device))),
      h('h3', null, 'Why it counts or not'), chain),
    closeFooter(close, copyButton('Copy text', message.text), copyButton('Copy id', message.id))];
  }, { class: 'wide' });
}

async function explain(id, place) {
  try {
    fill(place, whyList(await get('/v1/why', { id })));
  } catch (problem) {
    fill(place, problemBox(problem));
  }
}

/** The answer of `/v1/why` or `/v1/room/why`: a sentence, and the way to the root. */
export function whyList(why) {
  return [h('p', null, plain(why.summary)),
    why.chain.length > 0 && h('ol', { class: 'chain' }, why.chain.map((link) => h('li', { class: link.holds ? 'holds' : 'fails' },
      icon(link.holds ? 'check' : 'warning'), h('span', null, h('span', { class: 'visually-hidden' }, link.holds ? 'Counts: ' : 'Fails: '),
        plain(link.text), h('span', { class: 'quiet-text' }, ` (${plain(link.author)}${link.heard ? `, heard ${fullTime(link.heard)}` : ''})`)))))];
}
