// All agents: a list to filter.

import { h } from '../dom.js';
import { allAdmins, directory, listView, quiet, several, shortId, tag, toAgent, unitName } from './core.js';

const kept = { filter: '', which: 'active' };

/** Shows the view. */
export const show = (place) => listView(place, {
  title: 'Agents', noun: 'agent', kept, label: 'Filter by name, unit or device',
  read: async () => ({ ...await directory(), admins: await allAdmins() }), list: ({ agents }) => agents,
  states: [['active', 'Active'], ['dismissed', 'Dismissed'], ['all', 'All']],
  text: (agent) => [agent.name, agent.id, ...agent.units, ...agent.devices].join(' '),
  columns: ['Agent', 'Units', 'Devices'], empty: 'Nobody.',
  row: (agent, { admins }) => {
    const ranks = admins.filter((admin) => admin.in_force && admin.agent.id === agent.id).map((admin) => admin.rank);
    return { key: agent.id, class: !agent.active && 'is-off', cells: [
      h('span', null, toAgent(agent),
        ranks.length > 0 && tag(`admin, rank ${Math.min(...ranks)}`),
        !agent.active && tag('dismissed')),
      agent.units.length ? several(agent.units.map(unitName), 4) : quiet('in no unit'),
      agent.devices.length ? several(agent.devices.map(shortId), 3) : quiet('none')] };
  },
});
