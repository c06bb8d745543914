// What was written here and is not yet in the node's hands. Nothing of it is lost: what fails stays,
// also when the page is loaded again in the same tab.

import { post } from './api.js';

const KEPT = 'conclave-unsent';
const lines = new Map();
const listeners = new Set();
let next = 0;

for (const { room, text } of JSON.parse(sessionStorage.getItem(KEPT) ?? '[]')) {
  hold(room, text, { state: 'failed', problem: { message: 'The page was closed before the node answered.', hint: 'Look whether it was sent before you send it again.' } });
}

function hold(room, text, rest) {
  const entry = { key: `out-${++next}`, room, text, time: new Date().toISOString(), ...rest };
  if (!lines.has(room)) lines.set(room, []);
  lines.get(room).push(entry);
  return entry;
}

/** What was written in that room and is under way or failed. */
export const unsent = (room) => lines.get(room) ?? [];

/** Calls `listener(room)` when something changes. Gives a function that ends it. */
export function onUnsent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(room) {
  const all = [...lines.values()].flat().map(({ room: of, text }) => ({ room: of, text }));
  if (all.length) sessionStorage.setItem(KEPT, JSON.stringify(all)); else sessionStorage.removeItem(KEPT);
  for (const listener of [...listeners]) listener(room);
}

let queue = Promise.resolve();

/** Sends a text; resolves to the message, or to null if it stays here with its problem. */
export function send(room, text) {
  return attempt(hold(room, text, { state: 'sending' }));
}

export function retry(entry) {
  entry.state = 'sending';
  entry.problem = undefined;
  return attempt(entry);
}

export function discard(entry) {
  lines.set(entry.room, unsent(entry.room).filter((held) => held !== entry));
  changed(entry.room);
}

/** The node has told of this message already: it is under way no longer. */
export function arrived(message) {
  const entry = unsent(message.room.id).find((held) => held.state === 'sending' && held.text === message.text);
  if (entry) discard(entry);
}

async function attempt(entry) {
  changed(entry.room);
  // One after the other, so that the order is the order in which they were written.
  const sent = queue.then(() => post('/v1/messages', { room: entry.room, text: entry.text }));
  queue = sent.catch(() => {});
  try {
    const message = await sent;
    discard(entry);
    return message;
  } catch (problem) {
    entry.state = 'failed';
    entry.problem = problem;
    changed(entry.room);
    return null;
  }
}

addEventListener('beforeunload', (event) => {
  if ([...lines.values()].flat().length) event.preventDefault();
});
