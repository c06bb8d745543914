// Dismissing an agent, revoking one device, and letting somebody return.

import { h } from '../dom.js';
import { name, plain } from '../text.js';
import { hint, shellWord, shortId } from './core.js';
import { change } from './change.js';
import { lastGoodField, textField } from './forms.js';

/** Dismisses `agent`, or revokes one `device` of theirs. */
export function revoke(agent, device) {
  const who = plain(agent.name);
  let strict = false;
  let keep;
  let lastGood;
  const way = (value, title, text, update) => h('label', { class: 'admin-pick' },
    h('input', { type: 'radio', name: 'way', checked: !value, on: { change: () => { strict = value; keep.node.hidden = !strict; update(); } } }),
    h('span', null, h('b', null, title), hint(text)));
  return change({
    title: device ? `Revoke a device of ${who}` : `Dismiss ${who}`, yes: device ? `Revoke ${device.slice(0, 12)}` : `Dismiss ${who}`, danger: true,
    intro: h('p', null, device ? ['Every node will refuse the device ', shortId(device), '. Their other devices go on working.']
      : 'Every node will refuse all their devices. Let return undoes it, but for authority as admin.'),
    fields: (update) => {
      keep = textField('Last good messages, by id', 'One per room, with spaces between; what came before them stays too. Empty: nothing stays.', '', update, 'change');
      keep.node.hidden = true;
      lastGood = lastGoodField(update);
      return [h('fieldset', null, h('legend', null, 'Why'),
        way(false, device ? 'Out of use' : 'Left the company', 'What was written stays for the others, if somebody has answered it or a node had shown it.', update),
        way(true, 'Stolen, or in other hands', 'Of what was written, only what you name stays. Undoing this takes an admin as senior as you.', update)),
      keep.node, lastGood.node];
    },
    changes: () => [{ change: 'revoke_agent', agent: agent.id, device, strict,
      keep: strict ? keep.text().split(/\s+/u).filter(Boolean) : [], last_good: lastGood?.text() || null }],
    command: `conclave agent revoke ${shellWord(agent.name)}${device ? ` --device ${device}` : ''}`,
    view: { nothing: 'Nobody loses access to a room by this.' },
    done: device ? ['Revoked the device ', shortId(device), ' of ', name(agent), '.'] : ['Dismissed ', name(agent), '.'],
  });
}

/** Lets a dismissed agent return, with devices and memberships. */
export const letReturn = (agent) => change({
  title: `Let ${plain(agent.name)} return`, yes: `Let ${plain(agent.name)} return`,
  intro: h('p', null, 'Devices and memberships come back as they were; authority as admin does not.'),
  changes: () => [{ change: 'ratify', target: agent.id }],
  command: `conclave ratify ${shellWord(`agent:${agent.name}`)}`,
  done: [name(agent), ' can act again.'],
});

/** Stands behind a void object again, or lets what was revoked return. */
export const restore = (id, text) => change({
  title: 'Restore', yes: 'Restore',
  intro: h('p', null, 'You stand behind this, so that it counts again: ', text && h('b', null, plain(text)), ' ', shortId(id)),
  changes: () => [{ change: 'ratify', target: id }],
  command: `conclave ratify ${id}`,
  done: ['Restored ', shortId(id), '.'],
});
