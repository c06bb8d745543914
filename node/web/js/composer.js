// Where one writes. Nothing that was written here is lost: it is a draft until it is sent, and stays
// on screen with its reason if it cannot be sent.

import { announce, button, fill, h } from './dom.js';
import { draftOf, loadDrafts, setDraft } from './drafts.js';
import { send } from './outbox.js';
import { count } from './text.js';

const TEXT_BYTES_MAX = 16 * 1024;
const COUNT_SHOWN_FROM = TEXT_BYTES_MAX - 1024;
const LINES_MAX = 10;
const bytes = new TextEncoder();
let composers = 0;

/** `onSend` is called when something was written; gives `{node, focus(), edit(text), close(reason)}`. */
export function composer(room, label, onSend) {
  const id = `composer-${++composers}`;
  const note = h('span', { class: 'composer-note', id: `${id}-note`, role: 'status' });
  const input = h('textarea', { rows: '1', 'aria-label': label, placeholder: label, 'aria-describedby': `${id}-note`, dir: 'auto',
    spellcheck: 'true', on: { input: changed, keydown: keys } });
  const go = button('Send', submit, { class: 'primary' });
  const why = h('div', { class: 'composer-closed', hidden: true, role: 'status' });
  const line = h('div', { class: 'composer-line' }, input, go);
  const node = h('div', { class: 'composer' }, why, line, note);
  let shut = null;

  function grow() {
    input.rows = Math.min(LINES_MAX, Math.max(1, input.value.split('\n').length));
    // Long lines wrap: then the text needs more than its line breaks say.
    while (input.scrollHeight > input.clientHeight + 2 && input.rows < LINES_MAX) input.rows += 1;
  }

  function changed() {
    setDraft(room, input.value);
    check();
  }

  function check() {
    grow();
    const size = bytes.encode(input.value.trim()).length;
    const over = size - TEXT_BYTES_MAX;
    note.classList.toggle('over', over > 0);
    note.textContent = over > 0 ? `Too long by ${count(over, 'byte')}: split it, or send less.`
      : size > COUNT_SHOWN_FROM ? `${count(-over, 'byte')} left` : '';
    go.disabled = Boolean(shut) || !size || over > 0;
  }

  function submit() {
    if (go.disabled) return;
    const text = input.value.trim();
    input.value = '';
    changed();
    input.focus();
    onSend();
    send(room, text).then((message) => { if (!message) announce('Not sent. The message stays in the conversation with the reason.'); });
  }

  function keys(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  }

  function edit(text) {
    input.value = input.value.trim() ? `${input.value}\n${text}` : text;
    changed();
    input.focus();
  }

  input.value = draftOf(room);
  loadDrafts().then(() => { if (!input.value) { input.value = draftOf(room); check(); } });
  requestAnimationFrame(check);
  return {
    node,
    edit,
    focus: () => input.focus(),
    /** Says why nothing can be sent now, or that it can again (null). What was written stays. */
    close(reason) {
      if (shut === reason) return;
      shut = reason;
      fill(why, reason);
      why.hidden = !reason;
      input.readOnly = Boolean(reason);
      line.hidden = Boolean(reason) && !input.value.trim();
      check();
    },
  };
}
