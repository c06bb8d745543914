// A form in a dialog that ends with Ok: disabled, with the reason, until it can be done.

import { button, fill, h, problemBox } from './dom.js';

/**
 * `reason()` says what is missing, or nothing; `send()` does it, and its result closes the dialog.
 * Gives `{node, check()}`; `check` is called after every change.
 */
export function okForm(close, { content, reason, send }) {
  const why = h('span', { class: 'hint', role: 'status' });
  const ok = h('button', { type: 'submit', class: 'primary' }, 'Ok');
  const problems = h('div');

  function check() {
    why.textContent = reason();
    ok.disabled = Boolean(why.textContent);
  }

  async function submit(event) {
    event.preventDefault();
    if (ok.disabled) return;
    ok.disabled = true;
    fill(problems);
    try {
      close(await send());
    } catch (problem) {
      fill(problems, problemBox(problem));
      ok.disabled = false;
    }
  }

  const node = h('form', { on: { submit } }, h('div', { class: 'dialog-body' }, content, problems),
    h('footer', null, why, button('Cancel', () => close(undefined)), ok));
  check();
  return { node, check };
}

/** The end of a dialog that only shows something. */
export const closeFooter = (close, ...more) => h('footer', null, more,
  h('button', { type: 'button', class: 'primary', autofocus: true, on: { click: () => close() } }, 'Close'));
