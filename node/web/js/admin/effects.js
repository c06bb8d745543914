// What a change means for people, as the node foretells it.

import { h } from '../dom.js';
import { name, count, plain } from '../text.js';
import { link } from '../router.js';
import { several, shortId } from './core.js';

const names = (agents) => several(agents.map((agent) => name(agent)));
/** Objects of the control log, each leading to why it counts or not. */
export const objects = (ids) => several(ids.map((id) => h('a', { href: link('admin', 'audit', id) }, shortId(id))));

/** Several changes made one after the other, as one. */
export function merge(all) {
  const both = (lists) => [...new Map(lists.flat().map((one) => [one.id ?? one.grant ?? one, one])).values()];
  const rooms = new Map();
  for (const next of all.flatMap((effects) => effects.rooms)) {
    const before = rooms.get(next.room.id) ?? next;
    rooms.set(next.room.id, { room: next.room, lose: both([before.lose, next.lose]), gain: both([before.gain, next.gain]),
      messages_lost: Math.max(before.messages_lost, next.messages_lost), nobody_left: before.nobody_left || next.nobody_left });
  }
  const merged = { rooms: [...rooms.values()], powerless: all.some((effects) => effects.powerless) };
  for (const field of ['dismissed', 'returned', 'admins_ended', 'voided', 'restored', 'warnings']) merged[field] = both(all.map((effects) => effects[field]));
  return merged;
}

const loses = (room) => room.lose.length > 0 || room.nobody_left || room.messages_lost > 0;
const line = (kind, good, ...content) => h(kind, { class: good ? 'gains' : 'loses' }, content);

const roomLines = (effect) => h('li', null, h('b', null, name(effect.room)), h('ul', null,
  effect.lose.length > 0 && line('li', false, effect.lose.length === 1 ? 'Loses' : 'Lose', ' access: ', names(effect.lose)),
  effect.gain.length > 0 && line('li', true, effect.gain.length === 1 ? 'Gets' : 'Get', ' access: ', names(effect.gain)),
  effect.messages_lost > 0 && line('li', false, `${count(effect.messages_lost, 'message')} shown no longer`),
  effect.nobody_left && line('li', false, 'Afterwards nobody has access to this room.')));

/** Effects in words. `kept`: rooms open now to the one agent; `nothing`: said if nothing is lost or gained. */
export function effectsView(effects, { kept = [], nothing = 'Nobody loses or gets access to anything.' } = {}) {
  const lost = effects.rooms.filter(loses);
  const gained = effects.rooms.filter((room) => !loses(room));
  const stays = kept.filter((room) => !lost.some((effect) => effect.room.id === room.id));
  const inRooms = (word, rooms) => rooms.length > 0 && [h('h3', null, `${word} in ${count(rooms.length, 'room')}`), h('ul', null, rooms.map(roomLines))];
  const some = (list, good, words, show) => list.length > 0 && line('p', good, words, show(list));
  const lines = [
    some(effects.dismissed, false, 'Can act no longer: ', names), some(effects.returned, true, 'Can act again: ', names),
    inRooms('Lost', lost), inRooms('Gained', gained),
    stays.length > 0 && [h('h3', null, `Kept: ${count(stays.length, 'room')}`), h('p', null, names(stays))],
    some(effects.admins_ended, false, 'Authority as admin that ends: ', (list) => several(list.map((one) => [name(one.agent), `, rank ${one.rank}`, one.scope && ` in ${plain(one.scope)}`]))),
    some(effects.voided, false, 'Signed changes that will count no longer; the Audit can restore them one by one: ', objects),
    some(effects.restored, true, 'Signed changes that will count again: ', objects),
  ].filter(Boolean);
  return [lines.length ? lines : h('p', null, nothing), warnings(effects.warnings)];
}

/** What a change cannot do. */
export const warnings = (texts) => texts.length > 0 && h('div', { class: 'notice' }, texts.map((text) => h('p', null, plain(text))));
