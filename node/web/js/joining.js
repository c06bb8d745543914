// What is shown while this device is not yet a member: the name it asks for, and the safety code.

import { fill, h } from './dom.js';
import { state } from './state.js';
import { name, plain } from './text.js';

const ENDED = {
  refused: ['The request was refused', 'Ask an admin why. To ask again, run `conclave join --as NAME`.'],
  expired: ['The request has lapsed', 'The node asks again by itself, with a new code.'],
};

/** Draws the state of the request to join. */
export function drawJoining(place) {
  const join = state.status?.join;
  if (!join) {
    fill(place, h('main', { id: 'main', class: 'joining' }, h('h1', { tabindex: '-1' }, 'This device belongs to no company yet'),
      h('p', null, 'To join one, run ', h('code', null, 'conclave join --as NAME'), ' with your name, or found one with ',
        h('code', null, 'conclave init'), '.')));
    return;
  }
  const ended = ENDED[join.state];
  const company = () => (join.company ? name(join.company) : 'a company on this network');
  fill(place, h('main', { id: 'main', class: 'joining' },
    h('h1', { tabindex: '-1' }, ended ? ended[0] : ['Waiting to be let in to ', company()]),
    h('p', null, 'You ask to be ', h('strong', null, name({ name: join.agent })), ' in ', company(), '.'),
    join.code && h('div', { class: 'code-box' }, h('div', { id: 'code-label' }, 'Safety code'),
      h('output', { class: 'safety-code', 'aria-labelledby': 'code-label', 'aria-label': `Safety code ${plain(join.code)}` }, join.code)),
    ended ? h('p', null, ended[1])
      : join.code ? h('ol', { class: 'steps' },
        h('li', null, 'Call an admin, or go there, and read the safety code aloud. Do not send it.'),
        h('li', null, 'If both are the same, the admin approves and your rooms appear here by themselves.'),
        h('li', null, 'If they differ, somebody is between the two computers: the admin must not approve.'))
        : h('p', null, 'Looking for the company on this network…'),
    h('p', { class: 'hint', role: 'status' }, 'This page goes on by itself.')));
}
