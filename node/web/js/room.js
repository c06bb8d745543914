// A room, or an instant message: its header, its tabs, its conversation.

import { events } from './api.js';
import { button, fill, h, icon } from './dom.js';
import { composer } from './composer.js';
import { Conversation } from './conversation.js';
import { draftOf } from './drafts.js';
import { participants, withAccess } from './people.js';
import { go } from './router.js';
import { onState, placeOf, soon, state } from './state.js';
import { name, plain } from './text.js';
import { copyButton } from './why.js';

const TABS = [['chat', 'Chat Room'], ['participants', 'Participants'], ['access', 'With Access']];

/** Shows the room of `route` in `place`. Gives `{update(route), end()}`. */
export function showRoom(place, route) {
  const room = route.id;
  const isInstant = route.view === 'im';
  const title = h('h1', { tabindex: '-1' });
  const topic = h('p', { class: 'topic' });
  const tabs = new Map();
  const write = composer(room, 'Write a message', () => talk.written());
  const talk = new Conversation(room, write.edit);
  const lists = {
    participants: participants(room, (n) => number('participants', n)),
    access: withAccess(room, (n) => number('access', n)),
  };
  const panels = {
    chat: h('div', { class: 'panel panel-chat' }, talk.node, write.node),
    participants: h('div', { class: 'panel' }, lists.participants.node),
    access: h('div', { class: 'panel' }, lists.access.node),
  };
  const lost = h('div', { class: 'panel lost', hidden: true });
  let tab = '';
  let known = null;

  const bar = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views of the room', on: { keydown: keys } }, TABS.map(([id, words]) => {
    const size = h('span', { class: 'number' });
    const node = h('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': `panel-${id}`, on: { click: () => open(id) } },
      id === 'chat' && isInstant ? 'Instant Message' : words, size);
    tabs.set(id, { node, size });
    Object.assign(panels[id], { id: `panel-${id}` });
    panels[id].setAttribute('role', 'tabpanel');
    panels[id].setAttribute('aria-labelledby', `tab-${id}`);
    return node;
  }));

  fill(place,
    h('header', { class: 'room-head' },
      button(icon('back'), () => go(), { label: 'Back to the list', class: 'quiet to-tree' }),
      h('div', { class: 'room-names' }, title, topic),
      h('a', { class: 'button quiet', href: `/v1/room/transcript?room=${encodeURIComponent(room)}`, download: '', 'aria-label': 'Save transcript', title: 'The whole conversation as a text file' },
        icon('save'), h('span', null, 'Save transcript'))),
    bar, panels.chat, panels.participants, panels.access, lost);

  function number(id, n) {
    fill(tabs.get(id).size, n === null ? '' : ` ${n.toLocaleString()}`);
  }

  function open(id) {
    go(...(id === 'chat' ? [route.view, room] : [route.view, room, id]));
  }

  function keys(event) {
    const ids = TABS.map(([id]) => id);
    const at = ids.indexOf(tab);
    const to = { ArrowRight: (at + 1) % ids.length, ArrowLeft: (at + ids.length - 1) % ids.length, Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tabs.get(ids[to]).node.focus();
    open(ids[to]);
  }

  function update(next, focus = true) {
    const wanted = panels[next.tab] ? next.tab : 'chat';
    if (wanted === tab) return;
    tab = wanted;
    for (const [id, { node }] of tabs) {
      node.setAttribute('aria-selected', String(id === tab));
      node.tabIndex = id === tab ? 0 : -1;
    }
    draw();
    if (lists[tab]) lists[tab].load();
    if (tab === 'chat') talk.shown();
    if (focus && !bar.contains(document.activeElement)) focusIn();
  }

  function focusIn() {
    // On a phone the focus in the field would bring up its keyboard, over the conversation.
    if (tab === 'chat' && known && matchMedia('(min-width: 721px)').matches) write.focus(); else title.focus();
  }

  function draw() {
    const now = placeOf(room);
    if (now) known = now;
    const gone = Boolean(state.status) && state.loaded && !now;
    talk.node.hidden = tab !== 'chat' || gone;
    for (const [id, panel] of Object.entries(panels)) panel.hidden = id !== tab || gone;
    bar.hidden = gone;
    lost.hidden = !gone;
    if (gone) { drawLost(); return; }
    if (!known) return;
    const words = plain(known.name);
    if (title.dataset.drawn !== words) {
      fill(title, name({ id: room, name: known.name }));
      title.dataset.drawn = words;
    }
    topic.textContent = known.topic ? plain(known.topic) : '';
    topic.title = topic.textContent;
    topic.hidden = !known.topic;
    write.close(known.active === false ? 'This room is inactive: nothing can be written here until an admin reactivates it.'
      : isInstant && known.access === false ? 'Nobody else in this conversation can be reached any more: they have left the company.' : null);
  }

  let asked = false;
  function drawLost() {
    fill(title, known ? name({ id: room, name: known.name }) : 'Not open to you');
    if (asked) return;
    asked = true;
    const draft = draftOf(room);
    const why = h('p', null, known ? 'This room is not open to you any more: no permission of it matches you now, or it was deleted.'
      : 'There is no such room, or no permission of it matches you.');
    fill(lost, h('div', { class: 'notice', role: 'alert' }, h('h2', null, known ? 'You have no access to this room now' : 'This room is not open to you'), why,
      h('p', { class: 'hint' }, 'An admin can say why, and can let you in again; it then appears by itself, with its history.')),
    draft && h('section', null, h('h3', null, 'What you had written'), h('blockquote', null, plain(draft)), copyButton('Copy', draft)));
  }

  const readPeople = soon(async () => {
    if (placeOf(room)) await Promise.all([lists.participants.load(), lists.access.load()]);
  }, 1500);
  const ends = [
    onState(() => { if (placeOf(room)) asked = false; draw(); }),
    events.on('presence', ({ room: of }) => { if (!of || of === room) readPeople(); }),
    events.on('control', readPeople),
    events.on('reset', readPeople),
  ];
  update(route, false);
  focusIn();
  // The messages come first.
  const later = setTimeout(readPeople, 150);
  return {
    update,
    end() {
      clearTimeout(later);
      for (const end of ends) end();
      talk.end();
    },
  };
}
