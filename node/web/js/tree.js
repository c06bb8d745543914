// The tree: Live Chat → Workspace → Chat Rooms (Active, Inactive) and Instant Messages.

import { button, fill, h, icon } from './dom.js';
import { link } from './router.js';
import { may, onState, state } from './state.js';
import { count, name, noteOf, plain } from './text.js';
import { newInstant } from './newinstant.js';
import { newRoom } from './newroom.js';

const CLOSED = 'conclave-closed';
const closed = new Set(JSON.parse(localStorage.getItem(CLOSED) ?? '["inactive"]'));

/** Builds the tree. `current()` gives the id of what is open. */
export function tree(current) {
  const filter = h('input', { type: 'search', class: 'filter', placeholder: 'Filter rooms and people', 'aria-label': 'Filter rooms and people',
    'aria-keyshortcuts': '/', on: { input: () => draw(), keydown: filterKeys } });
  const active = branch('active', 'Active');
  const inactive = branch('inactive', 'Inactive');
  const rooms = branch('rooms', 'Chat Rooms', [active.node, inactive.node],
    button([icon('add'), 'New'], () => newRoom(), { class: 'quiet new', 'aria-label': 'New Chat Room', title: 'New Chat Room' }));
  const instants = branch('instants', 'Instant Messages', null,
    button([icon('add'), 'New'], () => newInstant(), { class: 'quiet new', 'aria-label': 'New Instant Message', title: 'New Instant Message' }));
  const workspace = branch('workspace', 'Workspace', [rooms.node, instants.node]);
  const live = branch('live', 'Live Chat', [workspace.node]);
  const list = h('ul', { class: 'tree', on: { keydown: keys, focusin: (event) => rove(event.target) } }, live.node);
  const lines = new Map();

  function branch(id, title, children, action) {
    const ul = h('ul', { class: 'branch', id: `branch-${id}` }, children ?? []);
    const number = h('span', { class: 'number' });
    const toggle = h('button', { type: 'button', class: 'twig', 'aria-controls': ul.id, on: { click: () => open(closed.has(id)) } },
      h('span', { class: 'arrow', 'aria-hidden': 'true' }), h('span', { class: 'label' }, title), number);
    const node = h('li', { class: `branch-${id}` }, h('div', { class: 'twig-line' }, toggle, action), ul);
    function open(yes) {
      if (yes) closed.delete(id); else closed.add(id);
      localStorage.setItem(CLOSED, JSON.stringify([...closed]));
      draw();
    }
    return { id, node, ul, toggle, number, open, action };
  }

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const fits = (place) => !wanted || plain(place.name).toLowerCase().includes(wanted);
    const shown = state.rooms.filter(fits);
    const used = new Set();
    drawBranch(active, shown.filter((room) => room.active), wanted, used);
    drawBranch(inactive, shown.filter((room) => !room.active), wanted, used);
    drawBranch(instants, state.instants.filter(fits), wanted, used);
    for (const id of lines.keys()) if (!used.has(id)) lines.delete(id);
    inactive.node.hidden = !state.rooms.some((room) => !room.active);
    for (const part of [rooms, workspace, live]) expand(part, wanted);
    const unread = [...state.rooms].reduce((sum, room) => sum + room.unread, 0);
    setNumber(rooms, closed.has('rooms') || closed.has('active') ? unread : 0);
    rooms.action.hidden = !may('rooms');
    if (!list.querySelector('[tabindex="0"]')) rove(live.toggle);
  }

  function expand(part, wanted) {
    const isOpen = Boolean(wanted) || !closed.has(part.id);
    part.toggle.setAttribute('aria-expanded', String(isOpen));
    part.ul.hidden = !isOpen;
  }

  function setNumber(part, unread) {
    fill(part.number, unread > 0 && h('span', { class: 'badge', 'aria-label': `${count(unread, 'unread message')}` }, unread));
  }

  function drawBranch(part, places, wanted, used) {
    expand(part, wanted);
    if (part !== active) setNumber(part, closed.has(part.id) ? places.reduce((sum, place) => sum + place.unread, 0) : 0);
    const nodes = places.map((place) => { used.add(place.id); return line(part, place); });
    if (!nodes.length) nodes.push(emptyLine(part, wanted));
    // Only what moved is touched: with 500 rooms most lines stay as they are.
    let at = part.ul.firstChild;
    for (const node of nodes) {
      if (node === at) at = at.nextSibling; else part.ul.insertBefore(node, at);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  }

  function emptyLine(part, wanted) {
    const text = wanted ? 'None with such a name.' : part === instants ? 'None yet. New starts one.'
      : part === active ? 'No room is open to you yet.' : 'None.';
    return h('li', { class: 'hint empty' }, text);
  }

  function line(part, place) {
    const isHere = current() === place.id;
    const online = part === instants && place.agents.some((agent) => agent.id !== state.status?.agent?.id && state.present.has(agent.id));
    const signature = `${place.name}|${place.unread}|${isHere}|${online}|${part.id}|${noteOf(place.id)}`;
    const known = lines.get(place.id);
    if (known?.signature === signature) return known.node;
    const view = part === instants ? 'im' : 'room';
    const words = [place.unread > 0 && count(place.unread, 'unread message'), part === instants && (online ? 'present' : 'not present')].filter(Boolean);
    // The same element stays, so that the focus stays.
    const anchor = known?.node.firstChild ?? h('a', { href: link(view, place.id), tabindex: '-1', data: { id: place.id } });
    anchor.className = `leaf${place.unread ? ' unread' : ''}`;
    anchor.title = plain(place.name);
    anchor.ariaCurrent = isHere ? 'page' : null;
    fill(anchor, part === instants ? h('span', { class: online ? 'dot present' : 'dot', 'aria-hidden': 'true' }) : icon('room'),
      h('span', { class: 'label' }, name(place)),
      place.unread > 0 && h('span', { class: 'badge', 'aria-hidden': 'true' }, place.unread > 999 ? '999+' : place.unread),
      words.length > 0 && h('span', { class: 'visually-hidden' }, `, ${words.join(', ')}`));
    const node = known?.node ?? h('li', { class: 'leaf-line' }, anchor);
    lines.set(place.id, { node, signature });
    return node;
  }

  const reveal = () => list.querySelector('a.leaf[aria-current]')?.scrollIntoView({ block: 'nearest' });
  const stops = () => [...list.querySelectorAll('a.leaf, button.twig')].filter((stop) => !stop.closest('[hidden]'));

  // One stop for the Tab key; the arrows go on from there.
  function rove(target) {
    if (!target.matches?.('a.leaf, button.twig')) return;
    for (const stop of list.querySelectorAll('a.leaf[tabindex="0"], button.twig:not([tabindex="-1"])')) stop.tabIndex = -1;
    target.tabIndex = 0;
  }

  function keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const here = event.target.closest('a.leaf, button.twig');
    if (!here) return;
    const all = stops();
    const at = all.indexOf(here);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[Math.max(0, Math.min(to, all.length - 1))]?.focus();
    } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      event.preventDefault();
      const isOpen = here.getAttribute('aria-expanded');
      if (isOpen === String(event.key === 'ArrowLeft')) here.click();
      else if (event.key === 'ArrowLeft') here.closest('ul').closest('li')?.querySelector('button.twig')?.focus();
      else if (isOpen) all[at + 1]?.focus();
    }
  }

  function filterKeys(event) {
    if (event.key === 'Escape' && filter.value) { filter.value = ''; draw(); event.stopPropagation(); }
    const first = list.querySelector('a.leaf');
    if (event.key === 'ArrowDown') { event.preventDefault(); (first ?? live.toggle).focus(); }
    if (event.key === 'Enter' && filter.value && first) { event.preventDefault(); filter.value = ''; location.hash = first.getAttribute('href'); draw(); }
  }

  let revealed = null;
  onState(() => {
    draw();
    // Once: later the reader decides what is in view.
    if (state.loaded && revealed !== current() && lines.has(current())) { revealed = current(); reveal(); }
  });
  draw();
  return {
    node: h('div', { class: 'tree-box' }, filter, h('div', { class: 'tree-scroll' }, list)),
    filter,
    draw,
    /** The ids of the lines on screen, from top to bottom. */
    order: () => [...list.querySelectorAll('a.leaf')].filter((leaf) => !leaf.closest('ul[hidden]')).map((leaf) => leaf.dataset.id),
    /** Brings the line of what is open into view. */
    reveal,
    /** Goes to the line of that id. */
    focus: (id) => lines.get(id)?.node.firstChild.focus(),
  };
}
