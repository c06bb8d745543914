// Why something counts, or somebody has access: the chain of signatures up to the root, in words.

import { get } from '../api.js';
import { h, fill, button, problemBox } from '../dom.js';
import { plain } from '../text.js';
import { whyList } from '../why.js';
import { ask, hint, quiet } from './core.js';
import { objects } from './effects.js';
import { restore } from './revoke.js';

/** Why an agent has access to a room, or has not. */
export const whyAccess = (room, agent) => explain(`Why ${plain(agent.name)} and ${plain(room.name)}?`, async () => {
  const why = await get('/v1/room/why', { room: room.id, agent: agent.id });
  return [h('h3', { class: why.access ? 'gains' : 'loses' }, why.access ? 'Has access' : 'No access'), whyList(why), related('Ended by ', why.ended_by)];
});

/** Why an object of the control log, or a message, counts or not. */
export async function whyObject(id) {
  let wanted;
  await explain('Why it counts, or not', async (close) => {
    const why = await get('/v1/why', { id });
    return [whyList(why), related('Left out by the cut of ', why.cut_by), related('Ended by ', why.ended_by), related('Waits for what this node does not have yet: ', why.missing),
      why.ratify && button('Restore…', () => { wanted = why.ratify; close(); }), h('p', null, quiet(why.kind, ' ', h('code', null, why.id)))];
  });
  if (wanted) await restore(wanted);
}

const related = (words, ids) => ids.length > 0 && h('p', null, words, objects(ids));

const explain = (title, read) => ask(title, (close) => {
  // A link to another object closes this one.
  const content = h('div', { class: 'dialog-body', role: 'status', on: { click: (event) => event.target.closest('a[href]') && close() } }, hint('Reading…'));
  read(close).then((parts) => fill(content, parts), (problem) => fill(content, problemBox(problem)));
  return [content, h('footer', null, button('Close', () => close(), { class: 'primary', autofocus: true }))];
});
