// A change: said first, then made, then followed until every device has applied it.

import { post, events } from '../api.js';
import { h, fill, button, icon, announce, problemBox } from '../dom.js';
import { fullTime, name } from '../text.js';
import { link } from '../router.js';
import { ask, hint, several, shortId, status } from './core.js';
import { effectsView, merge, warnings } from './effects.js';

/**
 * Asks, shows what would be lost or gained, and does it. `fields(update)`: inputs that call
 * `update()` when they change; `changes()`: bodies for `/v1/changes`, none while something is
 * missing, when `empty` is said; `preview: false`: it takes nothing from anybody; `view`: options of
 * `effectsView`; `command`: what to type where the root key is; `send(body)`: another route; `done`:
 * what is said at the end, if anything. Resolves to the answers, or undefined.
 */
export async function change({ title, yes, danger, intro, fields, changes, empty, preview = true, view, done, command, send = (body) => post('/v1/changes', body) }) {
  let stop;
  const answers = await ask(title, (close) => {
    const outlook = h('div', { class: 'admin-outlook', role: 'status' });
    const trouble = h('div');
    const ok = h('button', { type: 'submit', class: danger ? 'danger' : 'primary', disabled: true }, yes);
    const problemView = (problem) => [problemBox(problem), ['not_admin', 'refused'].includes(problem.kind) && rootKey(command)];
    let turn = 0;
    let looked = '';
    let working = false;
    async function look() {
      if (working) return;
      const mine = ++turn;
      const bodies = changes();
      const asked = JSON.stringify(bodies);
      ok.disabled = !bodies.length || (preview && asked !== looked);
      if (!bodies.length || !preview) { fill(outlook, !bodies.length && empty && hint(empty)); return; }
      if (!outlook.firstChild) fill(outlook, hint('Looking at what this changes…'));
      try {
        const effects = merge(await Promise.all(bodies.map((body) => post('/v1/changes/preview', body))));
        if (mine !== turn) return;
        fill(outlook, effectsView(effects, view), effects.powerless && rootKey(command));
        looked = asked;
        ok.disabled = false;
      } catch (problem) {
        if (mine !== turn) return;
        looked = '';
        ok.disabled = true;
        fill(outlook, problemView(problem));
      }
    }
    async function submit(event) {
      event.preventDefault();
      if (ok.disabled) return;
      working = ok.disabled = true;
      fill(trouble);
      const bodies = changes();
      const made = [];
      try {
        for (const body of bodies) made.push(await send(body));
        close(made);
      } catch (problem) {
        working = ok.disabled = false;
        fill(trouble, made.length > 0 && h('p', null, `${made.length} of ${bodies.length} were done.`), problemView(problem));
      }
      if (made.length) setTimeout(() => events.emit('changed-here', {}));
    }
    stop = events.on('control', look);
    const inputs = fields?.(look);
    look();
    return h('form', { method: 'dialog', on: { submit } }, h('div', { class: 'dialog-body' }, intro, inputs, outlook, trouble),
      h('footer', null, button('Cancel', () => close()), ok));
  });
  stop();
  if (answers && done) told(typeof done === 'function' ? done(answers) : done, answers.flatMap((answer) => answer?.effects?.warnings ?? []));
  return answers;
}

/** For rank 1 and what is aimed at an equal: the root key never comes near a web page. */
const rootKey = (command) => command && h('div', { class: 'notice' },
  h('p', null, 'This takes a more senior admin, or the root key. The page never asks for that key; the command line does:'),
  h('p', null, h('code', null, typeof command === 'function' ? command() : command), ', with ', h('code', null, '--root-key FILE'), ' if the key is not in the home.'));

/** Where the last change is shown, and on how many devices it is applied. */
export const toldStrip = h('section', { class: 'admin-told', 'aria-label': 'Last change', hidden: true });
let changesTold = 0;

function told(text, about) {
  const mine = ++changesTold;
  const where = h('span', { class: 'applied' });
  const close = () => { changesTold += 1; toldStrip.hidden = true; };
  fill(toldStrip, h('span', null, icon('check'), ' ', text), where, button(icon('close'), close, { label: 'Hide the last change', class: 'quiet' }), warnings(about));
  toldStrip.hidden = false;
  announce([toldStrip.firstChild.textContent, ...about].join(' '));
  const began = Date.now();
  let shown;
  async function follow() {
    if (mine !== changesTold) return;
    const applied = (await status().catch(() => null))?.applied;
    const now = JSON.stringify(applied);
    if (applied && now !== shown && mine === changesTold) {
      shown = now;
      fill(where, appliedView(applied));
      if (!applied.missing.length) announce(where.textContent);
    }
    // Others' changes and devices that come back later are seen on Devices.
    if (applied && !applied.missing.length) return;
    setTimeout(follow, Date.now() - began < 30_000 ? 500 : 5_000);
  }
  follow();
}

/** When a device was last heard of. */
export const lastSeen = (missing) => missing.last_seen ? `last seen ${fullTime(missing.last_seen)}` : 'not heard of since this node started';

const appliedView = ({ applied, devices, missing }) => [h('a', { href: link('admin', 'devices') }, `Applied on ${applied} of ${devices} devices`),
  missing.length > 0 && ['; not yet: ', several(missing.map((one) => [name(one.agent), ' ', shortId(one.device)]), 3)]];
