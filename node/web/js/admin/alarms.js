// What needs attention, and what to do about it.

import { h, button, icon } from '../dom.js';
import { plain } from '../text.js';
import { link } from '../router.js';
import { directory, heading, live, status } from './core.js';
import { objects } from './effects.js';
import { revoke } from './revoke.js';

const ALARMS = {
  equivocation: ['One key, two hands?', 'Ask the owner whether a home was copied or a backup ran beside its original. If not, revoke that device; if it belongs to an admin, end its authority under Admins.'],
  root_fork: ['The recovery phrase was used twice', 'If it was not you both times, somebody else has the phrase. Read in the Audit what they did, and plan a new company.'],
  duel_of_equals: ['Two equal admins are at odds', 'Neither can remove the other. A more senior admin, or whoever holds the root key, decides who stays: under Admins, or on the command line.'],
  powerless_revoke: ['A junior tried to remove a senior', 'It has no effect. If it was not a mistake, end the junior’s authority under Admins.'],
  uncountersigned_device: ['A device that nobody confirmed', 'Ask the person whether the device is theirs. If not, revoke it, and look at who certified it.'],
  disputed_key: ['One key for two people', 'It is live for neither until one certificate is revoked: revoke it for the wrong person.'],
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
  if (!alarms.length && !troubles.length) return h('p', { class: 'admin-empty' }, icon('check'), ' Nothing needs attention.');
  return [
    troubles.length > 0 && h('section', null, h('h2', null, 'This node'), h('ul', { class: 'admin-cards' }, troubles.map((text) => h('li', { class: 'admin-card problem' }, plain(text))))),
    alarms.length > 0 && h('section', null, h('h2', null, 'The company'), h('ul', { class: 'admin-cards' }, alarms.map((alarm) => alarmCard(alarm, agents, me)))),
  ];
}

function alarmCard(alarm, agents, me) {
  const [title, todo] = ALARMS[alarm.kind] ?? [alarm.kind, null];
  const owners = me.may.includes('agents')
    ? agents.flatMap((agent) => agent.devices.filter((device) => alarm.message.includes(device.slice(0, 12))).map((device) => ({ agent, device }))) : [];
  return h('li', { class: 'admin-card notice', 'data-row': alarm.objects.join() },
    h('h3', null, icon('warning'), ' ', title, h('span', { class: 'quiet-text' }, ` ${alarm.kind}`)),
    h('p', null, plain(alarm.message)),
    todo && h('p', null, h('b', null, 'What to do: '), todo),
    alarm.objects.length > 0 && h('p', null, 'In the Audit: ', objects(alarm.objects)),
    h('div', { class: 'admin-actions' }, owners.map(({ agent, device }) => button(`Revoke ${device.slice(0, 12)} of ${plain(agent.name)}`, () => revoke(agent, device))),
      me.may.includes('admins') && /duel|powerless|equivocation/u.test(alarm.kind) && h('a', { href: link('admin', 'admins') }, 'Go to Admins')));
}
