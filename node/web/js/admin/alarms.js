// What needs attention, and what to do about it.

import { h, button, icon } from '../dom.js';
import { plain } from '../text.js';
import { directory, heading, hint, live, section, status } from './core.js';
import { objects } from './effects.js';
import { revoke } from './revoke.js';

// In words; the node's message says what to do.
const ALARMS = {
  equivocation: 'One key, two hands?', root_fork: 'The recovery phrase was used twice', duel_of_equals: 'Two equal admins are at odds',
  powerless_revoke: 'A junior tried to remove a senior', uncountersigned_device: 'A device that nobody confirmed', disputed_key: 'One key for two people',
  conflicting_changes: 'Changed apart by two admins',
};

/** Shows the view. */
export function show(place, { me }) {
  const view = live(async () => {
    const [{ alarms, troubles }, known] = await Promise.all([status(), directory()]);
    return { alarms, troubles: troubles ?? [], agents: known.agents };
  }, (data) => body(data, me), ['alarm', 'control']);
  place.append(heading('Alarms'), view.region);
  return view.end;
}

function body({ alarms, troubles, agents }, me) {
  if (!alarms.length && !troubles.length) return hint(icon('check'), ' Nothing needs attention.');
  return [
    troubles.length > 0 && section('This node', h('ul', null, troubles.map((text) => h('li', { class: 'problem' }, plain(text))))),
    alarms.length > 0 && section('The company', h('ul', null, alarms.map((alarm) => alarmCard(alarm, agents, me)))),
  ];
}

function alarmCard(alarm, agents, me) {
  const owners = me.may.includes('agents')
    ? agents.flatMap((agent) => agent.devices.filter((device) => alarm.message.includes(device.slice(0, 12))).map((device) => ({ agent, device }))) : [];
  return h('li', { class: 'notice', 'data-row': alarm.objects.join() },
    h('h3', null, icon('warning'), ' ', ALARMS[alarm.kind] ?? alarm.kind),
    h('p', null, plain(alarm.message)),
    alarm.objects.length > 0 && h('p', null, 'In the Audit: ', objects(alarm.objects)),
    h('div', { class: 'admin-actions' }, owners.map(({ agent, device }) => button(`Revoke ${device.slice(0, 12)} of ${plain(agent.name)}`, () => revoke(agent, device)))));
}
