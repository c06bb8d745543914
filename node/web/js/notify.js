// Desktop notifications and the number in the title: for what was just written by others, never for
// history that fills in.

import { events } from './api.js';
import { go } from './router.js';
import { watched } from './readmark.js';
import { isOwn, onState, placeOf, state, unreadTotal } from './state.js';
import { count, plain } from './text.js';

const grouped = new Map();

/** Begins; `current()` gives the id of the room that is open. */
export function followNotifications(current) {
  onState(drawTitle);
  events.on('message', (message) => {
    if (message.live !== true || isOwn(message)) return;
    if (watched() && current() === message.room.id) return;
    notify(message);
  });
  addEventListener('focus', () => forget(current()));
}

function drawTitle() {
  const unread = unreadTotal();
  const title = unread ? `(${unread}) Conclave` : 'Conclave';
  if (document.title !== title) document.title = title;
}

function notify(message) {
  if (!state.settings.notifications || globalThis.Notification?.permission !== 'granted') return;
  const { id } = message.room;
  const known = grouped.get(id) ?? { n: 0 };
  known.n += 1;
  const more = known.n > 1 ? `\n${count(known.n, 'new message')}` : '';
  const note = new Notification(plain(message.room.name), {
    body: `${plain(message.author.name)}: ${plain(message.text).slice(0, 300)}${more}`, tag: id, icon: '/icon.svg',
  });
  known.note = note;
  grouped.set(id, known);
  note.onclick = () => {
    window.focus();
    go(state.instants.some((instant) => instant.id === id) ? 'im' : 'room', id);
    note.close();
  };
}

/** What was told of this room has been looked at. */
export function forget(room) {
  if (!placeOf(room)) return;
  grouped.get(room)?.note.close();
  grouped.delete(room);
}
