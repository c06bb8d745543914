// New: a Chat Room with a Name and permissions.

import { post } from './api.js';
import { dialog, fill, h } from './dom.js';
import { okForm } from './okform.js';
import { permissionPicker } from './picker.js';
import { principalWords } from './principal.js';
import { go } from './router.js';
import { load } from './state.js';
import { count, name } from './text.js';

const NAME_MAX = 64;
const PREVIEW_SHOWN = 200;

/** Asks for a room and makes it. */
export async function newRoom() {
  const room = await dialog('New Chat Room', (close) => form(close), { class: 'new-room' });
  if (!room) return;
  await load.rooms();
  go('room', room.id);
}

/** What is wrong with a name, or nothing. */
function nameProblem(text) {
  const wanted = text.trim().normalize('NFC');
  if (!wanted) return 'Give the room a name.';
  if ([...wanted].length > NAME_MAX) return `A name has at most ${NAME_MAX} characters.`;
  if (/[/:]/u.test(wanted)) return 'A name has no / and no : in it.';
  if (/\p{Cc}/u.test(wanted)) return 'A name has no control characters.';
  return '';
}

function form(close) {
  const input = h('input', { type: 'text', id: 'room-name', autofocus: true, autocomplete: 'off', on: { input: () => ask.check() } });
  const people = h('div', { class: 'preview', role: 'status' });
  const picker = permissionPicker({ onChange: () => { ask.check(); preview(people, picker.value()); } });
  const ask = okForm(close, {
    content: [
      h('div', { class: 'field' }, h('label', { for: 'room-name' }, 'Name'), input),
      h('fieldset', { class: 'field' }, h('legend', null, 'Permissions'),
        h('p', { class: 'hint' }, 'Whoever matches one of them gets in, now and later.'), picker.node),
      h('section', { class: 'field', 'aria-label': 'Who will get in' }, h('h3', null, 'Who will get in'), people)],
    reason: () => nameProblem(input.value) || (picker.value().length ? '' : 'Add a permission: without one nobody gets in.'),
    send: () => post('/v1/rooms', { name: input.value.trim(), permits: picker.value() }),
  });
  preview(people, []);
  return ask.node;
}

const turns = new WeakMap();

/** Shows in `place` who would get in through these permissions. */
export async function preview(place, permits) {
  const turn = (turns.get(place) ?? 0) + 1;
  turns.set(place, turn);
  if (!permits.length) { fill(place, h('p', { class: 'hint' }, 'Nobody yet.')); return; }
  let who;
  try {
    who = await post('/v1/access/preview', { permits });
  } catch (problem) {
    if (turns.get(place) === turn) fill(place, h('p', { class: 'hint' }, `Cannot be told now: ${problem.message}`));
    return;
  }
  if (turns.get(place) !== turn) return;
  const shown = who.agents.slice(0, PREVIEW_SHOWN);
  fill(place,
    h('p', null, h('strong', null, count(who.agents.length, 'agent')), who.agents.length ? '' : ': nobody holds any of these now'),
    shown.length > 0 && h('ul', { class: 'preview-list', tabindex: '0', 'aria-label': 'Agents who will get in' }, shown.map((agent) => h('li', null,
      name(agent), ' ', h('span', { class: 'quiet-text' }, agent.via.map(principalWords).join(', '))))),
    who.agents.length > shown.length && h('p', { class: 'hint' }, `and ${(who.agents.length - shown.length).toLocaleString()} more`),
    (who.unknown ?? []).length > 0 && h('p', { class: 'notice' }, `Unknown: ${who.unknown.map(principalWords).join(', ')}`));
}
