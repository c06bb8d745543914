// All rooms of the company, for admins: also those that are not open to them.

import { h } from '../dom.js';
import { name } from '../text.js';
import { link } from '../router.js';
import { allRooms, listView, quiet, toRoom } from './core.js';

const kept = { filter: '', which: 'all' };

/** Shows the view. */
export const show = (place) => listView(place, {
  title: 'Chat Rooms', noun: 'room', kept, read: allRooms, list: (rooms) => rooms, label: 'Filter by name or topic',
  about: 'Every room that exists. To see that a room exists, and who has access, gives no right to read it.',
  states: [['all', 'All'], ['active', 'Active'], ['inactive', 'Inactive']],
  text: (room) => `${room.name} ${room.topic ?? ''}`,
  columns: ['Room', 'Topic', 'State', 'Access'], empty: 'There is no room yet. New, in the tree, makes one.',
  row: (room) => ({ key: room.id, class: !room.active && 'is-off', cells: [
    toRoom(room), room.topic && name({ name: room.topic }),
    room.active ? 'active' : 'inactive', room.access ? h('a', { href: link('room', room.id) }, 'open to me') : quiet('not open to me')] }),
});
