// A change: said first, then made, then followed until every device has applied it.

import { post, events, Problem } from '../api.js';
import { h, fill, button, icon, announce, problemBox } from '../dom.js';
import { fullTime, name } from '../text.js';
import { link } from '../router.js';
import { ask, forget, hint, several, shortId, status } from './core.js';
import { effectsView, merge, warnings } from './effects.js';

/**
 * Asks, shows what would be lost or gained, and does it.
 *
 * `title`, `yes` (what the button says), `danger`; `intro`: what it is about; `fields(update)`:
 * inputs, which call `update()` when they change; `changes()`: the bodies for `/v1/changes`, none
 * while something is still missing; `preview: false` for what takes nothing from anybody;
 * `view`: options of `effectsView`; `done`: what is said at the end, text or a function of the
 * answers; `command`: what to type where the root key is, for changes that may need it;
 * `send(body)`: another way than `/v1/changes`. Resolves to the answers, or undefined.
 */
export async function change(what) {
  let stop = () => {};
  const answers = await ask(what.title, (close) => {
    const outlook = h('div', { class: 'admin-outlook', role: 'status' });
    const trouble = h('div');
    const ok = h('button', { type: 'submit', class: what.danger ? 'danger' : 'primary', disabled: true }, what.yes);
    let turn = 0;
    let looked = '';
    let working = false;
    async function look() {
      if (working) return;
      const mine = ++turn;
      const bodies = what.changes();
      const asked = JSON.stringify(bodies);
      ok.disabled = !bodies.length || (what.preview !== false && asked !== looked);
      if (!bodies.length || what.preview === false) { fill(outlook, what.empty && hint(!bodies.length && what.empty)); return; }
      if (!outlook.firstChild) fill(outlook, hint('Looking at what this changes…'));
      try {
        const effects = merge(await Promise.all(bodies.map((body) => post('/v1/changes/preview', body))));
        if (mine !== turn) return;
        fill(outlook, effectsView(effects, what.view?.(bodies) ?? {}), effects.powerless && rootKey(what.command));
        looked = asked;
        ok.disabled = false;
      } catch (problem) {
        if (mine !== turn) return;
        looked = '';
        ok.disabled = true;
        fill(outlook, problemView(problem, what.command));
      }
    }
    async function submit(event) {
      event.preventDefault();
      if (ok.disabled || working) return;
      working = true;
      ok.disabled = true;
      fill(trouble);
      const done = [];
      try {
        for (const body of what.changes()) done.push(await (what.send ?? ((b) => post('/v1/changes', b)))(body));
        close(done);
      } catch (problem) {
        working = false;
        ok.disabled = false;
        fill(trouble, done.length > 0 && h('p', null, `${done.length} of ${what.changes().length} were done.`), problemView(problem, what.command));
      }
      if (done.length) { forget(); setTimeout(() => events.emit('changed-here', {}), 0); }
    }
    stop = events.on('control', look);
    const fields = what.fields?.(look);
    look();
    return h('form', { method: 'dialog', on: { submit } },
      h('div', { class: 'dialog-body' }, what.intro, fields, outlook, trouble),
      h('footer', null, button('Cancel', () => close(undefined)), ok));
  });
  stop();
  if (answers) {
    const text = typeof what.done === 'function' ? what.done(answers) : what.done;
    told(text, answers.flatMap((answer) => answer?.effects?.warnings ?? []));
  }
  return answers;
}

/** Rank 1 and what is aimed at an equal: the root key never comes near a web page. */
export function rootKey(command) {
  return h('div', { class: 'notice' },
    h('p', null, 'Your own authority does not do for this; the root key does. This page never asks for it: the command line does, on the computer where the key’s medium is plugged in.'),
    command && h('p', null, h('code', null, command), ' ', 'with ', h('code', null, '--root-key FILE'), ' if the key is not in the home.'));
}

function problemView(problem, command) {
  if (!(problem instanceof Problem)) { console.error(problem); return problemBox({ message: 'The page has a fault.', hint: 'Reload it; if that does not help, use the command line.' }); }
  return [problemBox(problem), command && ['not_admin', 'refused'].includes(problem.kind) && rootKey(command)];
}

const strip = h('section', { class: 'admin-told', 'aria-label': 'Last change', hidden: true });
/** Where the last change, and on how many devices it is applied, is shown. */
export const toldStrip = strip;

let toldCount = 0;

/** Says that something was done, and goes on to say where it is applied. */
export function told(text, about = []) {
  const mine = ++toldCount;
  const where = h('span', { class: 'applied' });
  const close = () => { toldCount += 1; strip.hidden = true; fill(strip); };
  fill(strip, h('div', { class: 'admin-told-line' }, h('span', null, icon('check'), ' ', text, ' '), where,
    button(icon('close'), close, { label: 'Hide the last change', class: 'quiet' })), warnings(about));
  strip.hidden = false;
  announce([text, ...about].join(' '));
  const began = Date.now();
  let before = '';
  async function follow() {
    if (mine !== toldCount) return;
    try {
      const { applied } = await status();
      if (mine !== toldCount) return;
      const now = JSON.stringify(applied);
      if (now !== before) fill(where, appliedView(applied));
      before = now;
      if (!applied.missing.length) { announce(`Applied on all ${applied.devices} devices.`); return; }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    setTimeout(follow, Date.now() - began < 30_000 ? 500 : 5_000);
  }
  follow();
}

/** When a device was last heard of. */
export const lastSeen = (missing) => missing.last_seen ? `last seen ${fullTime(missing.last_seen)}` : 'not heard of since this node started';

/** `Applied on 2 of 3 devices`, and which are missing. */
export function appliedView({ applied, devices, missing }) {
  return [h('a', { href: link('admin', 'devices') }, `Applied on ${applied} of ${devices} devices`),
    missing.length > 0 && ['; not yet: ', several(missing.map((one) => [name(one.agent), ' ', shortId(one.device)]), 3)]];
}
