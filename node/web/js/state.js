// What the whole page knows: read from the node, read again when the node says that it changed.

import { events, get } from './api.js';
import { setMarks } from './text.js';

export const state = {
  /** `/v1/status`; null until it was read for the first time. */
  status: null,
  rooms: [],
  instants: [],
  present: new Set(),
  settings: { presence: true, notifications: false },
  /** Whether rooms and instant messages were read: before that, nothing can be said to be missing. */
  get loaded() { return read.rooms && read.instants; },
};

const read = { rooms: false, instants: false };

const listeners = new Set();

/** Calls `listener` after every change of `state`. Gives a function that ends it. */
export function onState(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let telling = false;

/** Says that `state` changed; many changes in one turn are told once. */
export function stateChanged() {
  if (telling) return;
  telling = true;
  queueMicrotask(() => {
    telling = false;
    for (const listener of [...listeners]) {
      try { listener(state); } catch (error) { console.error(error); }
    }
  });
}

/** A function that runs `job` soon, not more often than every `pause` ms; it resolves after a run that began later. */
export function soon(job, pause) {
  let waiting = null;
  let running = Promise.resolve();
  let last = -Infinity;
  return () => {
    waiting ??= running.then(async () => {
      const wait = last + pause - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      waiting = null;
      last = performance.now();
      running = job().catch((problem) => {
        // A node that is away is told by the state of the connection.
        if (problem.status === undefined) console.error(problem);
      });
      await running;
    });
    return waiting;
  };
}

export const load = {
  status: soon(async () => { state.status = await get('/v1/status'); stateChanged(); }, 1000),
  rooms: soon(async () => {
    if (!state.status?.member) return;
    const { rooms } = await get('/v1/rooms');
    state.rooms = rooms.filter((room) => room.access).sort((a, b) => byName.compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
    read.rooms = true;
    stateChanged();
  }, 500),
  instants: soon(async () => {
    if (!state.status?.member) return;
    state.instants = (await get('/v1/instants')).instants;
    read.instants = true;
    stateChanged();
  }, 500),
  presence: soon(async () => {
    if (!state.status?.member) return;
    state.present = new Set((await get('/v1/presence')).agents);
    stateChanged();
  }, 1000),
  marks: soon(async () => {
    if (!state.status?.member) return;
    setMarks((await get('/v1/marks')).marks);
    stateChanged();
  }, 3000),
  settings: soon(async () => {
    Object.assign(state.settings, await get('/v1/settings'));
    stateChanged();
  }, 1000),
};

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

export async function loadAll() {
  await load.status();
  await Promise.all([load.rooms(), load.instants(), load.presence(), load.marks(), load.settings()]);
}

/** The room or instant message of that id, if it is open to this agent. */
export function placeOf(id) {
  return state.rooms.find((room) => room.id === id) ?? state.instants.find((instant) => instant.id === id);
}

export const isOwn = (message) => message.author.id === state.status?.agent?.id;

/** How many messages are unread, in all. */
export const unreadTotal = () => [...state.rooms, ...state.instants].reduce((sum, place) => sum + place.unread, 0);

/** Whether this device's admin may do that: `units`, `agents`, `rooms`, `admins`. */
export const may = (what) => Boolean(state.status?.admin?.may.includes(what));

/** Follows the events that change what every view shows. */
export function followState() {
  events.on('reset', loadAll);
  events.on('connection', (connection) => { if (connection === 'open') loadAll(); stateChanged(); });
  events.on('control', () => { load.status(); load.rooms(); load.instants(); load.marks(); });
  events.on('alarm', load.status);
  events.on('instants', load.instants);
  events.on('presence', ({ room }) => { load.presence(); if (!room) load.status(); });
  events.on('message', ({ room }) => load[placeOf(room.id)?.agents ? 'instants' : 'rooms']());
  events.on('message_gone', () => { load.rooms(); load.instants(); });
  events.on('join', (join) => { if (state.status) { state.status.join = join; stateChanged(); } loadAll(); });
  events.on('read', ({ room, unread }) => {
    const place = placeOf(room);
    if (!place) return;
    place.unread = unread;
    if (!unread) place.first_unread = null;
    else load[place.agents ? 'instants' : 'rooms']();
    stateChanged();
  });
}
