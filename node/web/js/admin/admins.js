// Who may change units, agents, rooms and admins; making and ending admins.

import { h, button, icon } from '../dom.js';
import { name, plain } from '../text.js';
import { allAdmins, allowed, choice, directory, heading, hint, live, shellWord, shortId, small, table, toAgent, unitName } from './core.js';
import { change } from './change.js';
import { objects } from './effects.js';
import { agentOptions, lastGoodField } from './forms.js';

const RIGHTS = {
  units: 'Departments, Groups, Roles and who belongs to them', agents: 'who is in the company',
  rooms: 'rooms and their permissions', admins: 'admins of lower rank',
};

/** Shows the view. */
export function show(place, { me }) {
  const view = live(allAdmins, (admins) => adminTable(admins, me, true));
  place.append(heading('Admins', button([icon('add'), 'Make admin'], () => grant(me))),
    hint('Rank 1 is the most senior. Only somebody more senior, or the root key, can end an admin’s authority; everyone can step down.'), view.region);
  return view.end;
}

/** Grants of authority; `named`: with whose they are. */
export const adminTable = (admins, me, named) => table('Admins', [...named ? ['Admin'] : [], 'Rank', 'May change', 'In', 'Device', ''], admins.map((admin) => ({
  key: admin.grant, class: !admin.in_force && 'is-off', cells: [...named ? [toAgent(admin.agent)] : [],
    `rank ${admin.rank}`, admin.may.join(', '), admin.scope ? unitName(admin.scope) : 'the whole company', shortId(admin.device),
    admin.in_force ? allowed(me, 'admins') && small('End', () => endAuthority(admin), `End authority of ${named ? `${plain(admin.agent.name)}, ` : ''}rank ${admin.rank}`)
      : admin.ended_by.length ? h('span', null, 'ended by ', objects(admin.ended_by)) : 'void'] })), 'Not an admin.');

/** Makes an agent an admin; without `agent` asks whom. */
export async function grant(me, agent) {
  const [{ units }, options] = await Promise.all([directory(), agentOptions()]);
  let update = () => {};
  const again = () => {
    for (const { right, input } of rights) {
      // What concerns the whole company cannot be limited to a Department.
      input.disabled = scope.value !== '' && ['agents', 'admins'].includes(right);
      input.checked &&= !input.disabled;
    }
    update();
  };
  const on = { input: again };
  const rank = h('input', { type: 'text', inputmode: 'numeric', pattern: '[1-9][0-9]?', required: true, id: 'admin-rank', value: String(me.rank + 1), on });
  const scope = h('select', { id: 'admin-scope', on }, !me.scope && h('option', { value: '' }, 'The whole company'),
    units.filter((unit) => unit.kind === 'department' && allowed(me, 'units', unit.unit)).map((unit) => h('option', { value: unit.unit }, plain(unit.path))));
  const rights = Object.keys(RIGHTS).filter((right) => me.may.includes(right))
    .map((right) => ({ right, input: h('input', { type: 'checkbox', checked: right === 'units' || right === 'rooms', on }) }));
  let who = agent?.id ?? '';
  const nameOf = () => options.find((option) => option.value === who)?.label ?? 'NAME';
  return change({
    title: agent ? `Make ${plain(agent.name)} an admin` : 'Make an admin', yes: 'Make admin', empty: 'Choose who, a rank and at least one right.',
    fields: (look) => {
      update = look;
      return [!agent && h('p', null, choice('Who', [['', 'Choose who…'], ...options.map(({ value, label }) => [value, plain(label)])], '', (id) => { who = id; look(); })), h('div', { class: 'admin-tools' },
        h('div', { class: 'field' }, h('label', { for: 'admin-rank' }, 'Rank'), rank, hint(`Yours is ${me.rank}; yours to give: ${me.rank + 1} and higher numbers.`)),
        h('div', { class: 'field' }, h('label', { for: 'admin-scope' }, 'Limited to'), scope)),
      h('fieldset', null, h('legend', null, 'May change'),
        rights.map(({ right, input }) => h('label', { class: 'admin-pick' }, input, h('span', null, h('b', null, right), ` ${RIGHTS[right]}`))))];
    },
    changes: () => {
      const may = rights.filter(({ input }) => input.checked).map(({ right }) => right);
      return who && may.length && rank.checkValidity() ? [{ change: 'grant_admin', agent: who, rank: Number(rank.value), may, scope: scope.value || null }] : [];
    },
    command: () => `conclave admin grant ${shellWord(nameOf())} --rank ${rank.value}${scope.value && ` --scope ${shellWord(scope.value)}`}`,
    view: { nothing: 'On all current devices of this person. Nobody loses or gets access to a room.' },
    done: () => [plain(nameOf()), ` is now an admin of rank ${rank.value}.`],
  });
}

/** Ends the authority of one grant's device. */
function endAuthority(admin) {
  const who = plain(admin.agent.name);
  let lastGood;
  return change({
    title: `End authority of ${who}`, yes: `End authority of ${who}`, danger: true,
    intro: h('p', null, `Rank ${admin.rank}, on the device `, shortId(admin.device), '. The person stays in the company; authority on other devices stays.'),
    fields: (update) => { lastGood = lastGoodField(update); return lastGood.node; },
    changes: () => [{ change: 'revoke_admin', agent: admin.agent.id, device: admin.device, last_good: lastGood?.text() || null }],
    command: `conclave admin revoke ${shellWord(admin.agent.name)} --device ${admin.device}`,
    done: ['Ended the authority of ', name(admin.agent), '.'],
  });
}
