// All rooms of the company, for admins: also those that are not open to them.

import { get } from '../api.js';
import { h } from '../dom.js';
import { name, count } from '../text.js';
import { link } from '../router.js';
import { filterField, heading, live, table } from './core.js';

let filter = '';
let which = 'all';

/** Shows the view. */
export function show(place) {
  const view = live(async () => (await get('/v1/rooms', { all: true })).rooms, body, ['control']);
  const select = h('select', { class: 'admin-select', 'aria-label': 'Which rooms', on: { change: (event) => { which = event.target.value; view.redraw(); } } },
    [['all', 'All'], ['active', 'Active'], ['inactive', 'Inactive']].map(([value, text]) => h('option', { value, selected: value === which }, text)));
  place.append(heading('Chat Rooms'),
    h('p', { class: 'hint' }, 'Every room that exists. To see that a room exists, and who has access, gives no right to read it.'),
    h('div', { class: 'admin-tools' }, filterField('Filter by name or topic', filter, (text) => { filter = text; view.redraw(); }), select), view.region);
  return view.end;
}

function body(rooms) {
  const state = rooms.filter((room) => which === 'all' || room.active === (which === 'active'));
  const fits = state.filter((room) => `${room.name} ${room.topic ?? ''}`.toLowerCase().includes(filter));
  const rows = fits.map((room) => ({ key: room.id, class: !room.active && 'is-off', cells: [
    h('a', { href: link('admin', 'rooms', room.id) }, name(room)),
    room.topic ? name({ name: room.topic }) : '',
    room.active ? 'active' : 'inactive',
    room.access ? h('a', { href: link('room', room.id) }, 'open to me') : h('span', { class: 'quiet-text' }, 'not open to me'),
  ] }));
  return [h('p', { class: 'hint', role: 'status' }, fits.length === state.length ? count(state.length, 'room') : `${fits.length} of ${count(state.length, 'room')}`),
    table('Chat Rooms', ['Room', 'Topic', 'State', 'Access'], rows, rooms.length ? 'No room fits.' : 'There is no room yet. New, in the tree, makes one.')];
}
