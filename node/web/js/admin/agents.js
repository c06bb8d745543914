// All agents: a list to filter.

import { h } from '../dom.js';
import { name, count } from '../text.js';
import { link } from '../router.js';
import { allAdmins, directory, filterField, heading, live, several, shortId, table, unitName } from './core.js';

let filter = '';
let which = 'active';

/** Shows the view. */
export function show(place) {
  const view = live(async () => ({ ...await directory(), admins: await allAdmins().catch(() => []) }), body);
  const select = h('select', { class: 'admin-select', 'aria-label': 'Which agents', on: { change: (event) => { which = event.target.value; view.redraw(); } } },
    [['active', 'Active'], ['dismissed', 'Dismissed'], ['all', 'All']].map(([value, text]) => h('option', { value, selected: value === which }, text)));
  place.append(heading('Agents'), h('div', { class: 'admin-tools' },
    filterField('Filter by name, unit or device', filter, (text) => { filter = text; view.redraw(); }), select), view.region);
  return view.end;
}

function body({ agents, admins }) {
  const ranks = new Map();
  for (const admin of admins.filter((one) => one.in_force)) ranks.set(admin.agent.id, Math.min(admin.rank, ranks.get(admin.agent.id) ?? Infinity));
  const state = agents.filter((agent) => which === 'all' || agent.active === (which === 'active'));
  const fits = state.filter((agent) => [agent.name, agent.id, ...agent.units, ...agent.devices].some((text) => text.toLowerCase().includes(filter)));
  const rows = fits.map((agent) => ({ key: agent.id, class: !agent.active && 'is-off', cells: [
    h('span', null, h('a', { href: link('admin', 'agents', agent.id) }, name(agent)),
      ranks.has(agent.id) && h('span', { class: 'admin-tag' }, `admin, rank ${ranks.get(agent.id)}`),
      !agent.active && h('span', { class: 'admin-tag' }, 'dismissed')),
    agent.units.length ? several(agent.units.map(unitName), 4) : h('span', { class: 'quiet-text' }, 'in no unit'),
    agent.devices.length ? several(agent.devices.map(shortId), 3) : h('span', { class: 'quiet-text' }, 'none'),
  ] }));
  return [h('p', { class: 'hint', role: 'status' }, fits.length === state.length ? count(state.length, 'agent') : `${fits.length} of ${count(state.length, 'agent')}`),
    table('Agents', ['Agent', 'Units', 'Devices'], rows, 'No agent fits.')];
}
