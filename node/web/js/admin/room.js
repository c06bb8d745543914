// One room as its admin sees it: permissions, With Access, name, state; never what is written.

import { get, post } from '../api.js';
import { h, button, icon } from '../dom.js';
import { name, plain, count } from '../text.js';
import { go, link } from '../router.js';
import { permissionPicker } from '../picker.js';
import { directory, heading, live, quiet, section, several, small, table, tag, toAgent, unitName } from './core.js';
import { change } from './change.js';
import { textChange } from './forms.js';
import { whyAccess } from './why.js';

/** Shows the view. */
export function show(place, { id }) {
  const view = live(async () => {
    // The directory says whose names deceive.
    const [room, { agents }] = await Promise.all([get('/v1/room', { room: id }), get('/v1/room/access', { room: id }), directory()]);
    return { room, agents };
  }, body, ['control', 'presence']);
  place.append(h('a', { href: link('admin', 'rooms') }, 'All rooms'), view.region);
  return view.end;
}

function body({ room, agents }) {
  const title = plain(room.name);
  const permissionRow = ({ principal: label, id, gone }) => {
    const dead = gone && (label.startsWith('agent:') ? 'dismissed: lets nobody in' : 'deleted: matches nobody');
    return { key: id, class: dead && 'is-off', cells: [h('span', null, unitName(label, id), dead && tag(dead, 'warn')),
      dead ? 'nobody' : count(agents.filter((agent) => agent.via.includes(label)).length, 'person', 'people'),
      small([icon('close'), 'Remove'], () => unpermit(room, label, id), `Remove permission ${plain(label)}${dead ? ` (${dead})` : ''}`)] };
  };
  const accessRow = (agent) => ({ key: agent.id, cells: [h('span', null, toAgent(agent), agent.present && tag('present')),
    several(agent.via.map(unitName), 4), small('Why?', () => whyAccess(room, agent), `Why has ${plain(agent.name)} access?`)] });
  return [
    heading(h('span', null, name(room), !room.active && tag('inactive')),
      button('Rename', () => rename(room)), button('Topic', () => topic(room)),
      button(room.active ? 'Deactivate' : 'Reactivate', () => setActive(room)), button('Delete', () => remove(room), { class: 'danger' })),
    room.topic && h('p', null, name({ name: room.topic })),
    quiet(room.history === 'full' ? 'Newcomers can read the whole history.' : 'Newcomers read from the moment they join.', !room.active && ' Nobody can post here while it is inactive; it can still be read.'),
    section('Permissions', table(`Permissions of ${title}`, ['Open to', 'Lets in', ''], room.principals.map(permissionRow), 'None: the room is open to nobody.'),
      button([icon('add'), 'Add Permission'], () => permit(room))),
    section(`With Access (${agents.length})`, agents.length ? table(`With access to ${title}`, ['Agent', 'Through', ''], agents.map(accessRow))
      : h('p', { class: 'notice' }, 'Nobody has access to this room. What was written is kept; Add Permission opens it again.')),
  ];
}

function permit(room) {
  let picker;
  return change({
    title: `Add Permission to ${plain(room.name)}`, yes: 'Ok', empty: 'Who will get in is shown here first.',
    fields: (update) => { picker = permissionPicker({ onChange: update }); return picker.node; },
    changes: () => picker.value().map((unit) => ({ change: 'permit', room: room.id, unit })),
    view: { nothing: 'Nobody gets in by this who is not in already.' },
    done: (answers) => [`Added ${count(answers.length, 'permission')} to `, name(room), '.'],
  });
}

const unpermit = (room, label, id) => change({
  title: `Remove a permission of ${plain(room.name)}`, yes: 'Remove permission', danger: true,
  intro: h('p', null, unitName(label, id), room.permissions.length === 1 && h('span', { class: 'loses' }, ' is the last permission: without it the room is open to nobody.')),
  changes: () => [{ change: 'unpermit', room: room.id, unit: id }],
  view: { nothing: 'Nobody loses access by this.' },
  done: ['Removed ', unitName(label, id), ' from ', name(room), '.'],
});

const rename = (room) => textChange({
  title: `Rename ${plain(room.name)}`, yes: 'Rename', label: 'New name', value: room.name,
  body: (text) => ({ change: 'rename_room', room: room.id, name: text }),
  done: ([answer]) => ['Renamed: it is now ', name(answer.room ?? { name: answer.subject }), '.'],
});

const topic = (room) => textChange({
  title: `Topic of ${plain(room.name)}`, label: 'Topic', about: 'Shown above the conversation. Empty: none.', value: room.topic ?? '', optional: true,
  body: (text) => ({ change: 'set_topic', room: room.id, topic: text }),
  done: ['Changed the topic of ', name(room), '.'],
});

function setActive(room) {
  const verb = room.active ? 'Deactivate' : 'Reactivate';
  return change({
    title: `${verb} ${plain(room.name)}`, yes: `${verb} ${plain(room.name)}`, danger: room.active,
    intro: h('p', null, room.active ? 'It can be read, but nobody can post. Reactivate undoes it.' : 'People with access can post again.'),
    changes: () => [{ change: 'set_room_active', room: room.id, active: !room.active }],
    done: [`${verb}d `, name(room), '.'],
  });
}

const remove = (room) => change({
  title: `Delete ${plain(room.name)}`, yes: `Delete ${plain(room.name)}`, danger: true,
  intro: h('p', null, 'The room disappears for everyone; ', h('code', null, 'conclave ratify'), ' brings it back. To only end the conversation, deactivate it.'),
  changes: () => [{ change: 'delete_room', room: room.id }],
  // Away from here before this view asks for what is gone.
  send: async (body) => { const answer = await post('/v1/changes', body); go('admin', 'rooms'); return answer; },
  done: ['Deleted ', name(room), '.'],
});
