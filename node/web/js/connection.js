// The state of the connection, in words, and what to do about it.

import { events } from './api.js';
import { state } from './state.js';
import { count } from './text.js';

const RECONNECTING_MS = 3000;
let lostAt = 0;

events.on('connection', (connection) => { lostAt = connection === 'lost' ? performance.now() : 0; });

/** `{kind: 'good'|'warn'|'bad', words, help}`; `help` is there when somebody has to do something. */
export function connectionState() {
  switch (events.connection) {
    case 'signed-out':
      return { kind: 'bad', words: 'Signed out', help: 'This browser is not signed in to the node. Run `conclave open` and open the link that it prints.' };
    case 'lost':
      if (performance.now() - lostAt < RECONNECTING_MS) return { kind: 'warn', words: 'Reconnecting…' };
      return { kind: 'bad', words: 'The node is not running', help: 'The node on this computer is not running. Start it with `conclave up`; this page then goes on by itself. What you see stays as it was.' };
    case 'connecting':
      return { kind: 'warn', words: 'Connecting…' };
    default:
  }
  const { status } = state;
  if (status?.troubles?.length) return { kind: 'warn', words: 'Connected, with trouble', help: status.troubles.join(' ') };
  const peers = status?.peers.length ?? 0;
  if (status?.member && !status.agent) return { kind: 'bad', words: 'Not let in', help: 'An admin dismissed you, or revoked this device. Ask why; if it is taken back, your rooms return.' };
  if (status?.member && !peers) return { kind: 'warn', words: 'Connected; no other node in reach: messages wait' };
  return { kind: 'good', words: peers ? `Connected, ${count(peers, 'other node')}` : 'Connected' };
}

/** How long until the words may change by themselves. */
export const CONNECTION_CHECK_MS = RECONNECTING_MS + 100;
