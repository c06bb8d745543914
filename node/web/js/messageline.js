// One line of a conversation: a message, one that is under way, a separator.

import { button, h, icon } from './dom.js';
import { discard, retry } from './outbox.js';
import { body, count, dayName, fullTime, name, noteOf, shortTime } from './text.js';
import { copyButton, messageDetails } from './why.js';

// A message that waits this short is not worth a word: most are elsewhere at once.
const PENDING_SHOWN_AFTER_MS = 1200;
const CLOCK = { ahead: 'The clock of its author was far ahead', behind: 'The clock of its author was far behind' };

/** Whether a message should be said to wait, `since` when it is known here. */
export const waits = (message, since) => message.state === 'pending' && performance.now() - since > PENDING_SHOWN_AFTER_MS;

/** When to look again whether a message waits. */
export const WAITS_CHECK_MS = PENDING_SHOWN_AFTER_MS + 100;

/** All that decides how a message looks. */
export function messageSignature(message, { first, own, waiting }) {
  return [first, own, waiting, message.state === 'pending' ? '' : message.state, message.incomplete, message.late, message.clock,
    message.author.name, noteOf(message.author.id)].join('|');
}

/** A message. `first`: it begins a group of one author. */
export function messageLine(message, { first, own, waiting }) {
  return h('li', { class: `message${first ? ' first' : ''}${own ? ' own' : ''} is-${message.state}`, data: { id: message.id }, tabindex: '-1' },
    h('time', { datetime: message.time, title: fullTime(message.time) }, shortTime(message.time)),
    h('div', { class: 'said' },
      h('div', { class: first ? 'author' : 'visually-hidden' }, name(message.author), own && h('span', { class: 'quiet-text' }, ' (you)')),
      body(message.text),
      marks(message, waiting)),
    button(icon('more'), () => messageDetails(message), { class: 'quiet about', label: 'About this message', tabindex: '-1' }));
}

function marks(message, waiting) {
  const list = [
    waiting && mark('clock', 'Waiting: no other device has it yet'),
    message.state === 'vouched' && mark('check', 'Vouched for by a member: its author has no access any more', message),
    message.state === 'void' && mark('warning', 'Refused: it does not count any more', message),
    message.incomplete && mark('clock', 'Something before it is still on its way here'),
    message.late && mark('clock', 'Arrived late'),
    message.clock && mark('warning', CLOCK[message.clock] ?? 'The clock of its author was wrong'),
  ].filter(Boolean);
  return list.length > 0 && h('div', { class: 'marks' }, list);
}

function mark(picture, words, message) {
  return h('span', { class: `mark mark-${picture}` }, icon(picture), words,
    message && button('Why?', () => messageDetails(message), { class: 'link' }));
}

/** What was written here and has not arrived at the node. `edit(text)` puts it back where one writes. */
export function unsentLine(entry, edit) {
  const failed = entry.state === 'failed';
  return h('li', { class: `message own unsent ${entry.state}` },
    h('time', { datetime: entry.time }, shortTime(entry.time)),
    h('div', { class: 'said' },
      h('div', { class: 'visually-hidden' }, failed ? 'Not sent: ' : 'Sending: '),
      body(entry.text),
      failed ? h('div', { class: 'problem', role: 'alert' },
        h('p', null, h('strong', null, 'Not sent: '), entry.problem.message),
        entry.problem.hint && h('p', { class: 'hint' }, entry.problem.hint),
        h('p', { class: 'buttons' }, button('Retry', () => retry(entry)), copyButton('Copy', entry.text),
          button('Edit', () => { edit(entry.text); discard(entry); }), button('Discard', () => discard(entry))))
        : h('div', { class: 'marks' }, h('span', { class: 'mark' }, icon('clock'), 'Sending…'))));
}

/** Between two days. */
export const dayLine = (time) => h('li', { class: 'between day' }, h('h2', null, dayName(time)));

/** Above the first message that is not read. */
export const newLine = () => h('li', { class: 'between new-line' }, h('span', null, 'New'));

/** Where the history begins, or goes on. */
export function edgeLine(kind, onRetry) {
  if (kind === 'begin') return h('li', { class: 'between edge' }, 'This is where the conversation begins.');
  if (kind === 'empty') return h('li', { class: 'between edge' }, 'Nothing has been written here yet.');
  if (kind === 'failed') return h('li', { class: 'between edge' }, 'The messages could not be loaded. ', button('Try again', onRetry));
  return h('li', { class: 'between edge' }, 'Loading…');
}

/** `3 new messages`. */
export const newWords = (n) => count(n, 'new message');
