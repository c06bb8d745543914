// What a change means for people, as the node foretells it.

import { h } from '../dom.js';
import { name, count } from '../text.js';
import { several, shortId } from './core.js';
import { link } from '../router.js';

const names = (agents) => several(agents.map((agent) => name(agent)));
/** Objects of the control log, each leading to why it counts or not. */
export const objects = (ids) => several(ids.map((id) => h('a', { href: link('admin', 'audit', id) }, shortId(id))));

const union = (lists, key = (one) => one.id) => [...new Map(lists.flat().map((one) => [key(one), one])).values()];

/** Several changes made one after the other, as one. */
export function merge(all) {
  const rooms = new Map();
  for (const effect of all.flatMap((effects) => effects.rooms)) {
    const before = rooms.get(effect.room.id);
    rooms.set(effect.room.id, before ? {
      room: effect.room,
      lose: union([before.lose, effect.lose]),
      gain: union([before.gain, effect.gain]),
      messages_lost: Math.max(before.messages_lost ?? 0, effect.messages_lost ?? 0) || null,
      nobody_left: before.nobody_left || effect.nobody_left,
    } : effect);
  }
  const allOf = (field, key) => union(all.map((effects) => effects[field] ?? []), key);
  return {
    rooms: [...rooms.values()],
    dismissed: allOf('dismissed'), returned: allOf('returned'),
    admins_ended: allOf('admins_ended', (admin) => admin.grant),
    voided: allOf('voided', (id) => id), restored: allOf('restored', (id) => id),
    warnings: allOf('warnings', (text) => text),
    powerless: all.some((effects) => effects.powerless),
  };
}

/** Whether anybody loses anything. */
export const takesAway = (effects) => effects.dismissed.length + effects.admins_ended.length + effects.voided.length > 0
  || effects.rooms.some((room) => room.lose.length || room.messages_lost || room.nobody_left);

function roomLines(effect) {
  return h('li', null, h('b', null, name(effect.room)),
    h('ul', null,
      effect.lose.length > 0 && h('li', { class: 'loses' }, `${effect.lose.length === 1 ? 'Loses' : 'Lose'} access: `, names(effect.lose)),
      effect.gain.length > 0 && h('li', { class: 'gains' }, `${effect.gain.length === 1 ? 'Gets' : 'Get'} access: `, names(effect.gain)),
      effect.messages_lost > 0 && h('li', { class: 'loses' }, `${count(effect.messages_lost, 'message')} shown no longer`),
      effect.nobody_left && h('li', { class: 'loses' }, 'Afterwards nobody has access to this room.')));
}

/**
 * Effects in words. `kept`: rooms open to the agent now, for changes of one agent; `nothing`: what
 * to say if nobody gains or loses anything.
 */
export function effectsView(effects, { kept = [], nothing = 'Nobody loses or gets access to anything.' } = {}) {
  const lost = effects.rooms.filter((room) => room.lose.length || room.nobody_left || room.messages_lost);
  const gained = effects.rooms.filter((room) => !lost.includes(room));
  const stays = kept.filter((room) => !lost.some((effect) => effect.room.id === room.id));
  const admin = (one) => [name(one.agent), `, rank ${one.rank}`, one.scope && ` in ${one.scope}`, ' (device ', shortId(one.device), ')'];
  const lines = [
    effects.dismissed.length > 0 && h('p', { class: 'loses' }, 'Can act no longer: ', names(effects.dismissed)),
    effects.returned.length > 0 && h('p', { class: 'gains' }, 'Can act again: ', names(effects.returned)),
    lost.length > 0 && [h('h3', null, `Lost in ${count(lost.length, 'room')}`), h('ul', { class: 'admin-effects' }, lost.map(roomLines))],
    gained.length > 0 && [h('h3', null, `Gained in ${count(gained.length, 'room')}`), h('ul', { class: 'admin-effects' }, gained.map(roomLines))],
    stays.length > 0 && [h('h3', null, `Kept: ${count(stays.length, 'room')}`), h('p', null, several(stays.map((room) => name(room))))],
    effects.admins_ended.length > 0 && [h('h3', null, 'Authority as admin that ends'),
      h('ul', null, effects.admins_ended.map((one) => h('li', { class: 'loses' }, admin(one))))],
    effects.voided.length > 0 && h('p', { class: 'loses' }, `${count(effects.voided.length, 'signed change')} will count no longer: `,
      objects(effects.voided), '. The audit can restore them one by one.'),
    effects.restored.length > 0 && h('p', { class: 'gains' }, `${count(effects.restored.length, 'signed change')} will count again: `, objects(effects.restored)),
  ].filter(Boolean);
  return [lines.length ? lines : h('p', null, nothing), warnings(effects.warnings)];
}

/** What a change cannot do. */
export const warnings = (texts) => texts.length > 0 && h('div', { class: 'notice' }, texts.map((text) => h('p', null, text)));
