// The keyboard: what each key does, and the help that lists it.

import { dialog, h } from './dom.js';
import { closeFooter } from './okform.js';
import { singleKeys } from './settings.js';

const HELP = [
  ['Everywhere', [
    ['Alt+↑  Alt+↓', 'the room above, below'],
    ['Alt+Shift+↑  Alt+Shift+↓', 'the next with unread messages'],
    ['/', 'filter rooms and people'],
    ['n', 'New Chat Room (admins of rooms)'],
    ['m', 'New Instant Message'],
    ['g then r, i, s, a', 'go to the rooms, Instant Messages, settings, admin'],
    ['?', 'this help'],
    ['Esc', 'close what is open; else back to where one writes'],
  ]],
  ['In the tree', [['↑ ↓ Home End', 'move'], ['← →', 'close, open a branch'], ['Enter', 'open']]],
  ['In a room', [
    ['Enter', 'send'], ['Shift+Enter', 'new line'],
    ['Alt+1  Alt+2  Alt+3', 'Chat Room, Participants, With Access'],
    ['k  j', 'in the conversation: the message before, after'],
    ['Enter', 'on a message: everything about it, and why it counts'],
    ['End', 'in the conversation: the newest message'],
  ]],
];

/** Shows the help. */
export function showHelp() {
  return dialog('Keys', (close) => [h('div', { class: 'dialog-body help', tabindex: '0' }, HELP.map(([title, keys]) => h('section', null, h('h3', null, title),
    h('dl', null, keys.map(([key, does]) => [h('dt', null, key.split('  ').map((part) => h('kbd', null, part))), h('dd', null, does)]))))),
  closeFooter(close)], { class: 'wide' });
}

/** Listens to the keyboard; `acts` says what to do. */
export function listenToKeys(acts) {
  let went = 0;
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return;
    const act = find(event);
    if (!act) return;
    event.preventDefault();
    act();
  });

  function find(event) {
    if (event.altKey) {
      if (event.key === 'ArrowUp' || event.key === 'ArrowDown') return () => acts.step(event.key === 'ArrowDown' ? 1 : -1, event.shiftKey);
      if ('123'.includes(event.key) && event.key) return () => acts.tab(Number(event.key) - 1);
      return null;
    }
    if (event.key === 'Escape') return acts.escape;
    if (!singleKeys() || event.target.closest('input, textarea, select, [contenteditable]')) return null;
    const isGo = performance.now() - went < 1500;
    went = 0;
    if (isGo) return { r: acts.rooms, i: acts.instants, s: acts.settings, a: acts.admin }[event.key] ?? null;
    if (event.key === 'g') return () => { went = performance.now(); };
    return { '/': acts.filter, n: acts.newRoom, m: acts.newInstant, '?': showHelp }[event.key] ?? null;
  }
}
