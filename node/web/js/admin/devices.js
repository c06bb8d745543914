// On which devices the state of this node is applied, as it happens.

import { h } from '../dom.js';
import { directory, heading, hint, live, quiet, shortId, status, table, toAgent } from './core.js';
import { lastSeen } from './change.js';

/** Shows the view. */
export function show(place) {
  const view = live(async () => {
    const [{ applied, device, peers }, known] = await Promise.all([status(), directory()]);
    return { applied, device, connected: peers.map((peer) => peer.device), agents: known.agents };
  }, body, ['control', 'presence']);
  place.append(heading('Devices'),
    hint('A device that is switched off applies what it missed before it does anything else with others.'),
    view.region);
  // The reports of other devices are no news of their own.
  const looking = setInterval(() => { if (!document.hidden) view.refresh(); }, 1000);
  return () => { clearInterval(looking); view.end(); };
}

function body({ applied, device, connected, agents }) {
  const away = new Map(applied.missing.map((one) => [one.device, one]));
  const devices = agents.filter((agent) => agent.active).flatMap((agent) => agent.devices.map((id) => ({ id, agent })));
  devices.sort((a, b) => away.has(b.id) - away.has(a.id));
  return [
    h('h2', null, `Applied on ${applied.applied} of ${applied.devices} devices`),
    h('progress', { value: applied.applied, max: String(Math.max(applied.devices, 1)), 'aria-label': 'Devices that have applied everything' }),
    table('Devices', ['Agent', 'Device', 'All changes applied', 'Connected'], devices.map(({ id, agent }) => ({ key: id, cells: [
      toAgent(agent), shortId(id),
      away.has(id) ? h('span', { class: 'warn' }, `not yet, ${lastSeen(away.get(id))}`) : h('span', { class: 'gains' }, 'yes'),
      id === device ? 'this device' : connected.includes(id) ? 'with this node' : quiet('not with this node'),
    ] })), 'There are no devices.'),
  ];
}
