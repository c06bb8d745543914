// One agent: units, rooms and why they are open, devices, authority, dismissal and return.

import { get } from '../api.js';
import { h, button, icon } from '../dom.js';
import { count, name, plain } from '../text.js';
import { link } from '../router.js';
import { allAdmins, allRooms, allowed, choice, directory, heading, live, quiet, section, several, shortId, small, status, table, tag, toRoom, unitName } from './core.js';
import { change, lastSeen } from './change.js';
import { adminTable, grant } from './admins.js';
import { revoke, letReturn } from './revoke.js';
import { takeOut } from './units.js';
import { pick, unitOptions } from './forms.js';
import { whyAccess } from './why.js';

/** Shows the view. */
export function show(place, { me, id }) {
  const view = live(async () => {
    const [agent, open, { units }, admins, { applied }, rooms] = await Promise.all([get(`/v1/agents/${id}`), get(`/v1/agents/${id}/rooms`),
      directory(), allAdmins(), status(), allRooms()]);
    return { agent, open: open.rooms, units, missing: applied.missing, admins: admins.filter((one) => one.agent.id === id && one.in_force),
      closed: rooms.filter((room) => !open.rooms.some((one) => one.id === room.id)) };
  }, (data) => body(data, me));
  place.append(h('a', { href: link('admin', 'agents') }, 'All agents'), view.region);
  return view.end;
}

function body({ agent, open, closed, units, missing, admins }, me) {
  const who = plain(agent.name);
  const mine = (label) => allowed(me, 'units', label) && agent.active;
  const people = allowed(me, 'agents');
  let asked = closed[0]?.id;
  const unitRow = (unit) => ({ key: unit.id, cells: [unitName(unit.unit),
    mine(unit.unit) && small([icon('close'), 'Remove'], () => takeOut(agent, unit), `Remove from ${plain(unit.path)}`)] });
  const roomRow = (room) => ({ key: room.id, class: !room.active && 'is-off', cells: [h('span', null, toRoom(room), !room.active && tag('inactive')),
    several(room.via.map(unitName)), small('Why?', () => whyAccess(room, agent), `Why is ${plain(room.name)} open to ${who}?`)] });
  const deviceRow = (device) => {
    const away = missing.find((one) => one.device === device);
    return { key: device, cells: [shortId(device), away ? h('span', { class: 'warn' }, `not up to date, ${lastSeen(away)}`) : 'has applied everything',
      people && small('Revoke', () => revoke(agent, device), `Revoke device ${device.slice(0, 12)}`)] };
  };
  return [
    heading(h('span', null, name(agent), !agent.active && tag('dismissed')),
      mine() && [button('Move', () => move(agent, open, mine)), button([icon('add'), 'Add to unit'], () => add(agent, mine))],
      people && (agent.active ? button('Dismiss', () => revoke(agent), { class: 'danger' }) : button('Let return', () => letReturn(agent)))),
    quiet('Agent ', shortId(agent.id)),
    section('Units', table(`Units of ${who}`, ['Unit', ''], units.filter((unit) => agent.units.includes(unit.unit)).map(unitRow), 'In no unit: only rooms for everybody, or for this person by name, are open.')),
    section('Rooms', table(`Rooms of ${who}`, ['Room', 'Open through', ''], open.map(roomRow), 'No room is open to this person.'),
      closed.length > 0 && h('div', { class: 'admin-actions' }, 'Not open: ', choice('A room that is not open', closed.map((room) => [room.id, plain(room.name)]), asked, (id) => { asked = id; }),
        button('Why not?', () => whyAccess(closed.find((room) => room.id === asked), agent)))),
    section('Devices', table(`Devices of ${who}`, ['Device', 'Changes', ''], agent.devices.map(deviceRow), 'No device is certified for this person.')),
    section('Authority as admin', adminTable(admins, me), allowed(me, 'admins') && agent.active && button('Make admin', () => grant(me, agent))),
  ];
}

async function add(agent, mine) {
  const options = await unitOptions((label) => !agent.units.includes(label) && mine(label));
  let picker;
  return change({
    title: `Add ${plain(agent.name)} to units`, yes: 'Ok',
    fields: (update) => { picker = pick({ legend: 'Units', options, changed: update }); return picker.node; },
    changes: () => picker.chosen().map((unit) => ({ change: 'add_member', agent: agent.id, unit })),
    done: (answers) => ['Added ', name(agent), ` to ${count(answers.length, 'unit')}.`],
  });
}

/** From here to there in one step, so that nothing that stays open closes in between. */
async function move(agent, open, mine) {
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
      return h('div', { class: 'admin-tools' }, from.node, to.node);
    },
    changes: () => to.chosen().length && from.chosen().length ? [{ change: 'move_member', agent: agent.id, from: from.chosen(), to: to.chosen() }] : [],
    view: { kept: open, nothing: 'No room is lost and none is gained.' },
    done: ['Moved ', name(agent), '.'],
  });
}
