// One room as its admin sees it: permissions, With Access, name, state; never what is written.

import { get } from '../api.js';
import { h, button, icon } from '../dom.js';
import { name, plain, count } from '../text.js';
import { link } from '../router.js';
import { directory, heading, live, parts, several, table, unitName } from './core.js';
import { change } from './change.js';
import { permissionPicker } from '../picker.js';
import { textChange } from './forms.js';
import { whyAccess } from './why.js';

/** Shows the view. */
export function show(place, { id }) {
  const view = live(async () => {
    const [room, access, known] = await Promise.all([get('/v1/room', { room: id }), get('/v1/room/access', { room: id }), directory()]);
    return { room, agents: access.agents, known };
  }, body, ['control', 'presence']);
  place.append(h('p', { class: 'admin-up' }, h('a', { href: link('admin', 'rooms') }, 'All rooms')), view.region);
  return view.end;
}

function body({ room, agents, known }) {
  return [
    heading(h('span', null, name(room), !room.active && h('span', { class: 'admin-tag' }, 'inactive')),
      button('Rename', () => rename(room)), button('Topic', () => topic(room)),
      button(room.active ? 'Deactivate' : 'Reactivate', () => setActive(room)), button('Delete', () => remove(room), { class: 'danger' })),
    room.topic && h('p', null, name({ name: room.topic })),
    h('p', { class: 'quiet-text' }, room.history === 'full' ? 'Newcomers can read the whole history.' : 'Newcomers read from the moment they join.',
      !room.active && ' Nobody can post here while it is inactive; it can still be read.'),
    h('section', { class: 'admin-section' }, h('header', { class: 'admin-head' }, h('h2', null, 'Permissions'),
      h('div', { class: 'admin-actions' }, button([icon('add'), 'Add Permission'], () => permit(room)))),
    table(`Permissions of ${plain(room.name)}`, ['Open to', 'Lets in', ''], room.permissions.map((label) => permissionRow(room, label, agents, known)), 'No permission: the room is open to nobody.')),
    h('section', { class: 'admin-section' }, h('h2', null, `With Access (${agents.length})`),
      agents.length ? null : h('div', { class: 'notice' }, h('p', null, 'Nobody has access to this room. What was written is kept; Add Permission opens it again.')),
      agents.length > 0 && table(`With access to ${plain(room.name)}`, ['Agent', 'Through', ''], agents.map((agent) => ({ key: agent.id, cells: [
        h('span', null, h('a', { href: link('admin', 'agents', agent.id) }, name(agent)), agent.present && h('span', { class: 'admin-tag' }, 'present')),
        several(agent.via.map(unitName), 4),
        button('Why?', () => whyAccess(room, agent), { class: 'quiet', 'aria-label': `Why has ${plain(agent.name)} access?` })] })), '')),
  ];
}

/** Why a permission lets nobody in, if what it names is gone; null if it is there. */
function gone(label, known) {
  if (label === 'role:Agent') return null;
  const { kind, path } = parts(label);
  if (kind !== 'agent') return known.units.some((unit) => unit.unit === label) ? null : 'deleted: matches nobody';
  const agent = known.agents.find((one) => one.name === path);
  return agent?.active ? null : 'dismissed: lets nobody in';
}

function permissionRow(room, label, agents, known) {
  const dead = gone(label, known);
  const through = agents.filter((agent) => agent.via.includes(label)).length;
  return { key: label, class: dead && 'is-off', cells: [
    h('span', null, unitName(label), dead && h('span', { class: 'admin-tag warn' }, dead)),
    dead ? 'nobody' : count(through, 'person', 'people'),
    button([icon('close'), 'Remove'], () => unpermit(room, label), { class: 'quiet', 'aria-label': `Remove permission ${plain(label)}` })] };
}

async function permit(room) {
  let picker;
  return change({
    title: `Add Permission to ${plain(room.name)}`, yes: 'Ok', empty: 'Who will get in is shown here before you say Ok.',
    fields: (update) => { picker = permissionPicker({ onChange: update }); return picker.node; },
    changes: () => (picker?.value() ?? []).map((unit) => ({ change: 'permit', room: room.id, unit })),
    view: () => ({ nothing: 'Nobody gets in by this who is not in already.' }),
    done: (answers) => [`Added ${count(answers.length, 'permission')} to `, name(room), '.'],
  });
}

function unpermit(room, label) {
  return change({
    title: `Remove a permission of ${plain(room.name)}`, yes: 'Remove permission', danger: true,
    intro: h('p', null, unitName(label), room.permissions.length === 1 && h('span', { class: 'loses' }, ' is the last permission: without it the room is open to nobody.')),
    changes: () => [{ change: 'unpermit', room: room.id, unit: label }],
    view: () => ({ nothing: 'Nobody loses access by this.' }),
    done: ['Removed ', unitName(label), ' from ', name(room), '.'],
  });
}

const rename = (room) => textChange({
  title: `Rename ${plain(room.name)}`, label: 'New name', value: room.name,
  body: (text) => ({ change: 'rename_room', room: room.id, name: text }),
  done: ([answer]) => ['Renamed: it is now ', name(answer.room ?? { name: answer.subject }), '.'],
});

const topic = (room) => textChange({
  title: `Topic of ${plain(room.name)}`, label: 'Topic', about: 'Shown above the conversation. Empty: none.', value: room.topic ?? '', optional: true,
  body: (text) => ({ change: 'set_room_topic', room: room.id, topic: text }),
  done: ['Changed the topic of ', name(room), '.'],
});

function setActive(room) {
  const verb = room.active ? 'Deactivate' : 'Reactivate';
  return change({
    title: `${verb} ${plain(room.name)}`, yes: `${verb} ${plain(room.name)}`, danger: room.active,
    intro: h('p', null, room.active
      ? 'The room moves to the inactive ones: it can be read, nobody can post. Reactivate undoes it at any time; nothing is lost.'
      : 'People with access can post again.'),
    changes: () => [{ change: 'set_room_active', room: room.id, active: !room.active }],
    view: () => ({ nothing: 'Nobody loses or gets access by this.' }),
    done: [`${verb}d `, name(room), '.'],
  });
}

async function remove(room) {
  const answers = await change({
    title: `Delete ${plain(room.name)}`, yes: `Delete ${plain(room.name)}`, danger: true,
    intro: h('p', null, 'The room disappears for everyone. An admin can restore it from the Audit. To only end the conversation, deactivate it instead.'),
    changes: () => [{ change: 'delete_room', room: room.id }],
    done: ['Deleted ', name(room), '.'],
  });
  if (answers) location.hash = link('admin', 'rooms');
}
