// What is written and not sent, kept by the node: there after a restart and in every window.

import { get, put } from './api.js';
import { placeOf } from './state.js';

const DELAY_MS = 500;
const drafts = new Map();
const dirty = new Map();
let loaded = null;

/** Reads all drafts once; what is written here meanwhile wins. */
export function loadDrafts() {
  loaded ??= get('/v1/drafts').then(({ drafts: kept }) => {
    for (const { room, text } of kept) if (!drafts.has(room)) drafts.set(room, text);
  }).catch(() => { loaded = null; });
  return loaded;
}

/** The draft in that room. */
export const draftOf = (room) => drafts.get(room) ?? '';

/** Keeps a draft; an empty text ends it. */
export function setDraft(room, text) {
  if (draftOf(room) === text) return;
  drafts.set(room, text);
  clearTimeout(dirty.get(room));
  dirty.set(room, setTimeout(() => keep(room), DELAY_MS));
}

async function keep(room) {
  clearTimeout(dirty.get(room));
  dirty.delete(room);
  if (!placeOf(room)) return;
  try {
    await put('/v1/drafts', { room, text: draftOf(room) });
  } catch (problem) {
    // The node is away: the draft stays here and is tried again. Anything else would fail again.
    if (problem.status === 0) dirty.set(room, setTimeout(() => keep(room), 3000));
  }
}

addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') for (const room of [...dirty.keys()]) keep(room);
});
