// Why something counts, or somebody has access: the chain of signatures up to the root, in words.

import { get } from '../api.js';
import { h, fill, button, icon, problemBox } from '../dom.js';
import { plain } from '../text.js';
import { ask, hint, quiet, shortId } from './core.js';
import { objects } from './effects.js';
import { restore } from './revoke.js';

// What says on whose authority something was done, and not what it does.
const AUTHORITY = ['genesis', 'root-rotate', 'admin-grant'];

/** Why an agent has access to a room, or has not. */
export function whyAccess(room, agent) {
  return explain(`Why ${plain(agent.name)} and ${plain(room.name)}?`, async () => {
    const why = await get('/v1/room/why', { room: room.id, agent: agent.id });
    const under = why.chain.filter((one) => AUTHORITY.includes(one.kind));
    return [verdict(why.access, why.access ? 'Has access' : 'No access', why.summary),
      chain('What leads there', why.chain.filter((one) => !under.includes(one))), chain('On whose authority, up to the root', under),
      why.ended_by.length > 0 && h('p', null, 'Ended by ', objects(why.ended_by), '.')];
  });
}

/** Why an object of the control log, or a message, counts or not. */
export async function whyObject(id) {
  let wanted;
  await explain('Why it counts, or not', async (close) => {
    const why = await get('/v1/why', { id });
    const related = (words, ids) => ids.length > 0 && h('p', null, words, objects(ids), '.');
    return [verdict(!['void', 'parked'].includes(why.state) && !why.ended_by.length, why.state, why.summary.replace(`${why.state}: `, '')),
      chain('Step by step, up to the root', why.chain), related('Left out by the cut of ', why.cut_by), related('Ended by ', why.ended_by),
      related('Waits for what this node does not have yet: ', why.missing),
      why.ratify && h('p', null, button('Restore…', () => { wanted = why.ratify; close(); })),
      h('p', null, quiet(why.kind, ' ', h('code', null, why.id)))];
  });
  if (wanted) await restore(wanted);
}

const mark = (good, words) => h('span', { class: good ? 'gains' : 'loses' }, icon(good ? 'check' : 'close'), words);
const verdict = (good, word, summary) => h('p', null, mark(good, h('b', null, ` ${word}`)), h('br'), plain(summary));

function explain(title, read) {
  return ask(title, (close) => {
    // A link to another object closes this one.
    const content = h('div', { class: 'dialog-body', role: 'status', on: { click: (event) => event.target.closest('a[href]') && close() } }, hint('Reading…'));
    read(close).then((parts) => fill(content, parts), (problem) => fill(content, problemBox(problem)));
    return [content, h('footer', null, button('Close', () => close(), { class: 'primary', autofocus: true }))];
  });
}

const chain = (title, links) => links.length > 0 && [h('h3', null, title), h('ol', { class: 'chain' }, links.map((one) => h('li', null,
  mark(one.holds, h('span', { class: 'visually-hidden' }, one.holds ? 'Holds: ' : 'Fails: ')),
  h('span', null, plain(one.text), h('br'), quiet(`${one.kind}, signed by ${plain(one.author)} `, shortId(one.id))))))];
