// Settings: of this browser (theme, keys) and of this node (presence, notifications).

import { get, post, put } from './api.js';
import { button, fill, h, icon } from './dom.js';
import { go } from './router.js';
import { onState, state, stateChanged } from './state.js';
import { name } from './text.js';

const THEME = 'conclave-theme';
const KEYS = 'conclave-keys';

/** Puts the chosen theme to work. */
export function applyTheme() {
  const theme = localStorage.getItem(THEME);
  if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
}

/** Whether keys without Ctrl or Alt do something. */
export const singleKeys = () => localStorage.getItem(KEYS) !== 'off';

/** Shows the settings in `place`. */
export function showSettings(place) {
  const title = h('h1', { tabindex: '-1' }, 'Settings');
  const problems = h('p', { class: 'hint', role: 'status' });
  const own = h('div');
  const notify = h('div');

  async function set(change) {
    try {
      Object.assign(state.settings, await put('/v1/settings', change) ?? change);
      problems.textContent = 'Saved.';
    } catch (problem) {
      problems.textContent = `${problem.message} ${problem.hint}`;
    }
    stateChanged();
  }

  const check = (id, words, hint, checked, onChange) => h('div', { class: 'check' },
    h('input', { type: 'checkbox', id, checked, on: { change: (event) => onChange(event.target.checked) } }),
    h('label', { for: id }, words), h('p', { class: 'hint' }, hint));

  const theme = localStorage.getItem(THEME) ?? '';
  const themes = [['', 'As the system'], ['light', 'Light'], ['dark', 'Dark']].map(([value, words]) => h('label', { class: 'radio' },
    h('input', { type: 'radio', name: 'theme', value, checked: value === theme, on: { change: () => {
      if (value) localStorage.setItem(THEME, value); else localStorage.removeItem(THEME);
      applyTheme();
    } } }), words));

  const presence = check('presence', 'Show colleagues that I am present', 'Off: you are shown as not present everywhere; you still see others.',
    state.settings.presence, (yes) => set({ presence: yes }));

  function drawNotify() {
    const permission = globalThis.Notification?.permission ?? 'unsupported';
    const on = state.settings.notifications && permission === 'granted';
    fill(notify,
      permission === 'unsupported' ? h('p', { class: 'hint' }, 'This browser has no notifications.')
        : permission === 'denied' ? h('p', { class: 'notice' }, 'The browser does not allow notifications of this page. Allow them in its settings for this address first.')
          : button(`Turn notifications ${on ? 'off' : 'on'}`, async () => {
            if (on || await Notification.requestPermission() === 'granted') await set({ notifications: !on });
            drawNotify();
          }),
      h('p', { class: 'hint' }, on ? 'On: for what others just wrote, while you look elsewhere.' : 'Off.'));
  }

  function drawOwn() {
    const { status } = state;
    if (!status) return;
    fill(own, h('dl', null,
      h('dt', null, 'Agent'), h('dd', null, status.agent ? name(status.agent) : 'not yet'),
      h('dt', null, 'Company'), h('dd', null, status.company ? name(status.company) : 'not yet'),
      status.admin && [h('dt', null, 'Admin'), h('dd', null, `rank ${status.admin.rank}, may: ${status.admin.may.join(', ')}${status.admin.scope ? `, in ${status.admin.scope}` : ''}`)],
      h('dt', null, 'Device'), h('dd', null, h('code', { class: 'id' }, status.device))));
  }

  fill(place,
    h('header', { class: 'room-head' }, button(icon('back'), () => go(), { label: 'Back to the list', class: 'quiet to-tree' }), title),
    h('div', { class: 'page' },
      h('section', null, h('h2', null, 'Look'), h('fieldset', { class: 'radios' }, h('legend', { class: 'visually-hidden' }, 'Theme'), themes)),
      h('section', null, h('h2', null, 'Desktop notifications'), notify),
      h('section', null, h('h2', null, 'Presence'), presence),
      h('section', null, h('h2', null, 'Keys'), check('single-keys', 'Single keys do something', 'Such as / and ? and n. Off: only keys with Alt or Ctrl.',
        singleKeys(), (yes) => localStorage.setItem(KEYS, yes ? 'on' : 'off'))),
      problems,
      h('section', null, h('h2', null, 'This device'), own, button('Sign this browser out', async () => {
        await post('/v1/sessions/end').then(() => location.reload(), (problem) => { problems.textContent = `${problem.message} ${problem.hint}`; });
      }))));
  drawOwn();
  drawNotify();
  title.focus();
  get('/v1/settings').then((kept) => {
    Object.assign(state.settings, kept);
    presence.querySelector('input').checked = kept.presence;
    drawNotify();
  }).catch(() => {});
  const end = onState(drawOwn);
  return { end };
}
