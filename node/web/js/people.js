// The tabs Participants and With Access.

import { get } from './api.js';
import { dialog, fill, h, button, problemBox } from './dom.js';
import { closeFooter } from './okform.js';
import { principalChip } from './principal.js';
import { state } from './state.js';
import { count, name, plain } from './text.js';
import { whyList } from './why.js';

const FILTER_FROM = 8;

/** A list of people: `read()` gives them, `line(agent)` what stands under `heads`. */
function people({ read, heads, line, empty, intro, onCount, label }) {
  const filter = h('input', { type: 'search', class: 'filter', placeholder: 'Filter by name', 'aria-label': 'Filter by name', on: { input: draw } });
  const table = h('table', { class: 'people', 'aria-label': label });
  const message = h('p', { class: 'hint', role: 'status' });
  const node = h('div', { class: 'people-box' }, h('p', { class: 'hint' }, intro), filter, table, message);
  let agents = null;

  async function load() {
    try {
      agents = await read();
    } catch (problem) {
      if (agents === null) { onCount(null); fill(message, problem.message, ' ', problem.hint); }
      return;
    }
    onCount(agents.length);
    draw();
  }

  function draw() {
    if (!agents) return;
    const wanted = filter.value.trim().toLowerCase();
    filter.hidden = agents.length < FILTER_FROM && !wanted;
    const shown = agents.filter((agent) => plain(agent.name).toLowerCase().includes(wanted));
    fill(table, h('thead', null, h('tr', null, heads.map((head) => h('th', { scope: 'col' }, head)))),
      h('tbody', null, shown.map((agent) => h('tr', null, line(agent).map((cell) => h('td', null, cell))))));
    table.hidden = !shown.length;
    message.textContent = shown.length ? (wanted ? `${count(shown.length, 'agent')} of ${agents.length}` : '') : wanted ? 'Nobody has such a name.' : empty;
  }

  return { node, load };
}

const you = (agent) => agent.id === state.status?.agent?.id && h('span', { class: 'quiet-text' }, ' (you)');

const presence = (present) => h('span', { class: 'presence' },
  h('span', { class: present ? 'dot present' : 'dot', 'aria-hidden': 'true' }), present ? 'present' : 'not present');

/** Those whose node is in the room now. */
export function participants(room, onCount) {
  return people({
    label: 'Participants', onCount,
    intro: 'Those with access who are here now.',
    empty: 'Nobody else is here now.',
    heads: ['Agent', 'Presence'],
    read: async () => (await get('/v1/room/participants', { room })).agents,
    line: (agent) => [[name(agent), you(agent)], presence(true)],
  });
}

/** Everybody who may read and write here, and why. */
export function withAccess(room, onCount) {
  return people({
    label: 'With Access', onCount,
    intro: 'Everybody who may read and write here, with the permission that lets them in.',
    empty: 'Nobody: no permission matches anybody.',
    heads: ['Agent', 'Lets them in', 'Presence', h('span', { class: 'visually-hidden' }, 'Why')],
    read: async () => (await get('/v1/room/access', { room })).agents,
    line: (agent) => [[name(agent), you(agent)], agent.via.map((via) => principalChip(via)), presence(agent.present),
      button('Why?', () => whyAccess(room, agent), { class: 'link', label: `Why does ${plain(agent.name)} have access?` })],
  });
}

function whyAccess(room, agent) {
  return dialog(`Why does ${plain(agent.name)} have access?`, (close) => {
    const place = h('div', { class: 'dialog-body' }, h('p', { class: 'hint' }, 'Asking the node…'));
    get('/v1/room/why', { room, agent: agent.id })
      .then((why) => fill(place, whyList(why)), (problem) => fill(place, problemBox(problem)));
    return [place, closeFooter(close)];
  }, { class: 'wide' });
}
