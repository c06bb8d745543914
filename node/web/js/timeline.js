// What stands in a conversation, from top to bottom: messages, days, the line "New", what is unsent.

import { dayLine, edgeLine, messageLine, messageSignature, newLine, unsentLine, waits } from './messageline.js';
import { unsent } from './outbox.js';
import { isOwn } from './state.js';
import { dayKey } from './text.js';

const GROUP_MS = 5 * 60 * 1000;

/** Lines as `{key, signature, build}`: each is built again only when its signature changes. */
export function timeline(held, { room, ready, failed, newAbove, since, edit, again }) {
  const { list, more, newer } = held;
  const lines = [];
  const line = (key, build, signature = '') => lines.push({ key, signature, build });
  const edge = !ready ? (failed ? 'failed' : 'loading') : more ? 'loading' : list.length ? 'begin' : 'empty';
  line(edge, () => edgeLine(edge, again));
  let before = null;
  for (const message of list) {
    const day = dayKey(message.time);
    const isNewDay = !before || day !== dayKey(before.time);
    const isNew = message.id === newAbove;
    if (isNewDay) line(`day-${message.id}`, () => dayLine(message.time), dayKey(Date.now()));
    if (isNew) line('new', newLine);
    const first = isNew || isNewDay || before.author.id !== message.author.id
      || Math.abs(new Date(message.time) - new Date(before.time)) > GROUP_MS;
    const view = { first, own: isOwn(message), waiting: waits(message, since.get(message.id) ?? -Infinity) };
    line(message.id, () => messageLine(message, view), messageSignature(message, view));
    before = message;
  }
  if (newer) line('newer', () => edgeLine('loading'));
  else for (const entry of unsent(room)) line(entry.key, () => unsentLine(entry, edit), entry.state);
  return lines;
}
