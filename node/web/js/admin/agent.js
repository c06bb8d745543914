// One agent: units, rooms and why they are open, devices, authority, dismissal and return.

import { get } from '../api.js';
import { h, button, icon } from '../dom.js';
import { name, plain } from '../text.js';
import { link } from '../router.js';
import { allAdmins, allRooms, allowed, directory, heading, live, parts, several, shortId, status, table, unitName } from './core.js';
import { change, lastSeen } from './change.js';
import { endAuthority, grant } from './admins.js';
import { revoke, letReturn } from './revoke.js';
import { takeOut } from './units.js';
import { pick, unitOptions } from './forms.js';
import { whyAccess } from './why.js';

/** Shows the view. */
export function show(place, { me, id }) {
  const view = live(() => read(id, me), (data) => body(data, me), ['control', 'alarm']);
  place.append(h('p', { class: 'admin-up' }, h('a', { href: link('admin', 'agents') }, 'All agents')), view.region);
  return view.end;
}

async function read(id, me) {
  const [agent, open, known, admins, { applied }, rooms] = await Promise.all([get(`/v1/agents/${encodeURIComponent(id)}`),
    get(`/v1/agents/${encodeURIComponent(id)}/rooms`), directory(), allAdmins(), status(), me.may.includes('rooms') ? allRooms() : []]);
  return { agent, open: open.rooms, units: known.units, missing: applied.missing, rooms, admins: admins.filter((one) => one.agent.id === agent.id) };
}

function body(data, me) {
  const { agent } = data;
  const units = allowed(me, 'units') && agent.active;
  const people = allowed(me, 'agents');
  return [
    heading(h('span', null, name(agent), !agent.active && h('span', { class: 'admin-tag' }, 'dismissed')),
      units && [button('Move', () => move(data, me)), button([icon('add'), 'Add to unit'], () => add(data, me))],
      people && (agent.active ? button('Dismiss', () => revoke(agent), { class: 'danger' }) : button('Let return', () => letReturn(agent)))),
    h('p', { class: 'quiet-text' }, 'Agent ', shortId(agent.id)),
    section('Units', table(`Units of ${plain(agent.name)}`, ['Unit', ''], agent.units.map((label) => {
      const unit = data.units.find((one) => one.unit === label) ?? { unit: label, id: label, ...parts(label) };
      return { key: label, cells: [unitName(label), allowed(me, 'units', label) && agent.active
        && button([icon('close'), 'Remove'], () => takeOut(agent, unit), { class: 'quiet', 'aria-label': `Remove from ${plain(unit.path)}` })] };
    }), 'In no unit: only rooms that are open to everyone, or to this person by name, are open.')),
    section('Rooms', roomsOf(data)),
    section('Devices', devicesOf(data, people)),
    section('Authority as admin', authorityOf(data, me)),
  ];
}

const section = (title, ...content) => h('section', { class: 'admin-section' }, h('h2', null, title), content);

function roomsOf({ agent, open, rooms }) {
  const rows = open.map((room) => ({ key: room.id, class: !room.active && 'is-off', cells: [
    h('span', null, h('a', { href: link('admin', 'rooms', room.id) }, name(room)), !room.active && h('span', { class: 'admin-tag' }, 'inactive')),
    several(room.via.map(unitName)),
    button('Why?', () => whyAccess(room, agent), { class: 'quiet', 'aria-label': `Why is ${plain(room.name)} open to ${plain(agent.name)}?` }),
  ] }));
  const others = rooms.filter((room) => !open.some((one) => one.id === room.id));
  const select = h('select', { 'aria-label': 'A room that is not open' }, others.map((room) => h('option', { value: room.id }, plain(room.name))));
  const ask = () => whyAccess(others.find((room) => room.id === select.value), agent);
  return [table(`Rooms of ${plain(agent.name)}`, ['Room', 'Open through', ''], rows, 'No room is open to this person.'),
    others.length > 0 && h('div', { class: 'admin-line' }, h('span', null, 'Not open: '), select, button('Why not?', ask))];
}

function devicesOf({ agent, missing }, people) {
  const rows = agent.devices.map((device) => {
    const away = missing.find((one) => one.device === device);
    return { key: device, cells: [shortId(device), away ? h('span', { class: 'warn' }, `not up to date, ${lastSeen(away)}`) : 'has applied everything',
      people && button('Revoke', () => revoke(agent, device), { class: 'quiet', 'aria-label': `Revoke device ${device.slice(0, 12)}` })] };
  });
  return table(`Devices of ${plain(agent.name)}`, ['Device', 'Changes', ''], rows, 'No device is certified for this person.');
}

function authorityOf({ agent, admins }, me) {
  const can = allowed(me, 'admins');
  const rows = admins.filter((admin) => admin.in_force).map((admin) => ({ key: admin.grant, cells: [
    `rank ${admin.rank}`, admin.may.join(', '), admin.scope ? unitName(admin.scope) : 'the whole company', shortId(admin.device),
    can && button('End', () => endAuthority(admin), { class: 'quiet', 'aria-label': `End authority of rank ${admin.rank}` })] }));
  return [table(`Authority of ${plain(agent.name)}`, ['Rank', 'May change', 'In', 'Device', ''], rows, 'Not an admin.'),
    can && agent.active && button('Make admin', () => grant(me, agent))];
}

async function add({ agent }, me) {
  const options = await unitOptions((label) => !agent.units.includes(label) && allowed(me, 'units', label));
  let picker;
  return change({
    title: `Add ${plain(agent.name)} to units`, yes: 'Ok',
    fields: (update) => { picker = pick({ legend: 'Units', options, changed: update }); return picker.node; },
    changes: () => (picker?.chosen() ?? []).map((unit) => ({ change: 'add_member', agent: agent.id, unit })),
    done: (answers) => ['Added ', name(agent), answers.length === 1 ? ' to 1 unit.' : ` to ${answers.length} units.`],
  });
}

/** From here to there in one step, so that nothing that stays open closes in between. */
async function move({ agent, open }, me) {
  const mine = (label) => allowed(me, 'units', label);
  const own = await unitOptions((label) => agent.units.includes(label) && mine(label));
  const others = await unitOptions((label) => !agent.units.includes(label) && mine(label));
  let from;
  let to;
  return change({
    title: `Move ${plain(agent.name)}`, yes: `Move ${plain(agent.name)}`,
    empty: 'Choose where from and where to; what is lost, gained and kept is shown here first.',
    fields: (update) => {
      from = pick({ legend: 'From', options: own, changed: update, chosen: own.length === 1 ? [own[0].value] : [], empty: 'In no unit that you may change.' });
      to = pick({ legend: 'To', options: others, changed: update });
      return h('div', { class: 'admin-two' }, from.node, to.node);
    },
    changes: () => to?.chosen().length && from.chosen().length
      ? [{ change: 'move_member', agent: agent.id, from: from.chosen(), to: to.chosen() }] : [],
    view: () => ({ kept: open, nothing: 'No room is lost and none is gained.' }),
    done: ['Moved ', name(agent), '.'],
  });
}
