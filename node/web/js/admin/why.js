// Why something counts, or somebody has access: the chain of signatures up to the root, in words.

import { get } from '../api.js';
import { h, fill, button, icon, problemBox } from '../dom.js';
import { name, plain } from '../text.js';
import { ask, shortId } from './core.js';
import { objects } from './effects.js';
import { restore } from './revoke.js';

/** Why an agent has access to a room, or has not. */
export function whyAccess(room, agent) {
  return explain(`Why ${plain(agent.name)} and ${plain(room.name)}?`, async () => {
    const why = await get('/v1/room/why', { room: room.id, agent: agent.id });
    return [verdict(why.access, why.access ? 'Has access' : 'No access', why.summary), chain(why.chain),
      why.ended_by.length > 0 && h('p', null, 'Access was ended by ', objects(why.ended_by), '.')];
  });
}

/** Why an object of the control log, or a message, counts or not. */
export async function whyObject(id, me) {
  let wanted;
  await explain('Why does this count, or not?', async (close) => {
    const why = await get('/v1/why', { id });
    const counts = why.state !== 'void' && why.state !== 'parked';
    return [verdict(counts && !why.ended_by.length, STATES[why.state] ?? why.state, why.summary), chain(why.chain),
      why.cut_by.length > 0 && h('p', null, 'Left out by the cut of ', objects(why.cut_by), '.'),
      why.ended_by.length > 0 && h('p', null, 'Ended by ', objects(why.ended_by), '.'),
      why.missing.length > 0 && h('p', null, 'Waits for ', objects(why.missing), ', which this node does not have yet.'),
      why.ratify && me && h('p', null, button('Restore…', () => { wanted = why.ratify; close(); })),
      h('p', { class: 'quiet-text' }, why.kind, ' ', h('code', null, why.id))];
  });
  if (wanted) await restore(wanted);
}

const STATES = { counts: 'Counts', void: 'Void: does not count', parked: 'Waits for what it refers to', pending: 'Pending', accepted: 'Accepted', vouched: 'Vouched for' };

const verdict = (good, word, summary) => h('p', { class: good ? 'admin-verdict gains' : 'admin-verdict loses' }, icon(good ? 'check' : 'warning'), ' ', h('b', null, word), h('br'),
  h('span', null, plain(summary)));

function explain(title, read) {
  return ask(title, (close) => {
    const content = h('div', { class: 'dialog-body', role: 'status' }, h('p', { class: 'hint' }, 'Reading…'));
    read(close).then((parts) => fill(content, parts), (problem) => fill(content, problemBox(problem)));
    // A link to another object closes this one.
    content.addEventListener('click', (event) => { if (event.target.closest('a[href]')) close(); });
    return h('div', null, content, h('footer', null, button('Close', () => close(), { class: 'primary', autofocus: true })));
  });
}

function chain(links) {
  if (!links.length) return null;
  return [h('h3', null, 'Step by step, up to the root'), h('ol', { class: 'admin-chain' }, links.map((one) => h('li', { class: one.holds ? '' : 'loses' },
    h('span', { class: one.holds ? 'gains' : 'loses' }, icon(one.holds ? 'check' : 'close'), h('span', { class: 'visually-hidden' }, one.holds ? 'Holds: ' : 'Fails: ')),
    h('span', null, plain(one.text), h('br'), h('span', { class: 'quiet-text' }, `${one.kind}, signed by `, name({ name: one.author }), ' ', shortId(one.id))))))];
}
