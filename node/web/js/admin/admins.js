// Who may change units, agents, rooms and admins; making and ending admins.

import { h, button, icon } from '../dom.js';
import { name, plain } from '../text.js';
import { link } from '../router.js';
import { allAdmins, allowed, directory, heading, hint, live, shellWord, shortId, table, unitName } from './core.js';
import { change } from './change.js';
import { objects } from './effects.js';
import { agentOptions, lastGoodField, pick } from './forms.js';

const RIGHTS = {
  units: 'Departments, Groups, Roles and who belongs to them',
  agents: 'who is in the company',
  rooms: 'rooms and their permissions',
  admins: 'admins of lower rank',
};

/** Shows the view. */
export function show(place, { me }) {
  const view = live(allAdmins, (admins) => body(admins, me));
  place.append(heading('Admins', allowed(me, 'admins') && button([icon('add'), 'Make admin'], () => grant(me))),
    hint('Rank 1 is the most senior. Only somebody strictly more senior, or the root key, can end an admin’s authority; everyone can step down. To grant gives no right to read.'),
    view.region);
  return view.end;
}

function body(admins, me) {
  const rows = admins.map((admin) => ({ key: admin.grant, class: !admin.in_force && 'is-off', cells: [
    h('a', { href: link('admin', 'agents', admin.agent.id) }, name(admin.agent)), String(admin.rank), admin.may.join(', '),
    admin.scope ? unitName(admin.scope) : 'the whole company', shortId(admin.device),
    admin.in_force ? button('End', () => endAuthority(admin), { class: 'quiet', disabled: !allowed(me, 'admins') && admin.device !== me.device, 'aria-label': `End authority of ${plain(admin.agent.name)}, rank ${admin.rank}` })
      : admin.ended_by.length ? h('span', null, 'ended by ', objects(admin.ended_by)) : 'void',
  ] }));
  return table('Admins', ['Admin', 'Rank', 'May change', 'In', 'Device', ''], rows, 'There are no admins.');
}

/** Makes an agent an admin; without `agent` asks whom. */
export async function grant(me, agent) {
  const [{ units }, options] = await Promise.all([directory(), agent ? [] : agentOptions()]);
  let picker;
  let command = '';
  const lowest = me.rank + 1;
  const rank = h('input', { type: 'number', id: 'admin-rank', min: '1', max: '99', value: String(lowest) });
  const scopes = units.filter((unit) => unit.kind === 'department' && allowed(me, 'units', unit.unit));
  const scope = h('select', { id: 'admin-scope' }, !me.scope && h('option', { value: '' }, 'The whole company'), scopes.map((unit) => h('option', { value: unit.unit }, plain(unit.path))));
  const rights = Object.entries(RIGHTS).filter(([right]) => me.may.includes(right)).map(([right, text]) => ({ right, text,
    input: h('input', { type: 'checkbox', checked: right === 'units' || right === 'rooms' }) }));
  const commandNode = h('code');
  const rootNote = h('div', { hidden: true }, h('div', { class: 'notice' },
    h('p', null, 'An admin as senior as you, or more, is made with a key that is more senior than yours. For rank 1 that is the root key, which this page never asks for: the command line does, where the key’s medium is plugged in:'),
    h('p', null, commandNode, ' (with ', h('code', null, '--root-key FILE'), ' if the key is not in the home)')));
  const chosen = () => agent?.id ?? picker?.chosen()[0];
  const nameOf = () => agent?.name ?? options.find((option) => option.value === chosen())?.label;
  return change({
    title: agent ? `Make ${plain(agent.name)} an admin` : 'Make an admin', yes: 'Make admin',
    empty: 'Choose who, a rank below your own, and at least one right.',
    fields: (update) => {
      const again = () => {
        for (const one of rights) {
          // What concerns the whole company cannot be limited to a Department.
          const outside = scope.value !== '' && (one.right === 'agents' || one.right === 'admins');
          one.input.disabled = outside;
          if (outside) one.input.checked = false;
        }
        const n = Number(rank.value);
        rootNote.hidden = !(n >= 1 && n <= me.rank);
        command = `conclave admin grant ${shellWord(nameOf() ?? 'NAME')} --rank ${n}${scope.value ? ` --scope ${shellWord(scope.value)}` : ''}`;
        commandNode.textContent = command;
        update();
      };
      if (!agent) picker = pick({ legend: 'Who', options, changed: again, single: true });
      for (const node of [rank, scope, ...rights.map((one) => one.input)]) node.addEventListener('input', again);
      return [picker?.node, h('div', { class: 'admin-two' },
        h('div', { class: 'field' }, h('label', { for: 'admin-rank' }, 'Rank'), rank, hint(`Yours is ${me.rank}; yours to give: ${lowest} and below in seniority.`)),
        h('div', { class: 'field' }, h('label', { for: 'admin-scope' }, 'Limited to'), scope)),
      h('fieldset', { class: 'admin-fieldset' }, h('legend', null, 'May change'),
        rights.map((one) => h('label', { class: 'admin-pick' }, one.input, h('span', null, h('b', null, one.right), ` ${one.text}`)))), rootNote];
    },
    changes: () => {
      const may = rights.filter((one) => one.input.checked).map((one) => one.right);
      const n = Number(rank.value);
      if (!chosen() || !may.length || !Number.isInteger(n) || n <= me.rank) return [];
      return [{ change: 'grant_admin', agent: chosen(), rank: n, may, scope: scope.value || null }];
    },
    view: () => ({ nothing: 'Takes effect on all current devices of this person. Nobody loses or gets access to a room by it.' }),
    done: () => [plain(nameOf()), ` is now an admin of rank ${rank.value}.`],
  });
}

/** Ends the authority of one grant's device. */
export function endAuthority(admin) {
  const who = plain(admin.agent.name);
  let lastGood;
  return change({
    title: `End authority of ${who}`, yes: `End authority of ${who}`, danger: true,
    intro: h('p', null, `Rank ${admin.rank}, on the device `, shortId(admin.device), '. The person stays in the company. Other grants on other devices stay.'),
    fields: (update) => { lastGood = lastGoodField(update); return lastGood.node; },
    changes: () => [{ change: 'revoke_admin', agent: admin.agent.id, device: admin.device, last_good: lastGood?.text() || null }],
    command: `conclave admin revoke ${shellWord(admin.agent.name)} --device ${admin.device}`,
    view: () => ({ nothing: 'Nobody loses access to a room by it.' }),
    done: ['Ended the authority of ', name(admin.agent), '.'],
  });
}
