// Building what is on screen. Text of others only ever becomes text nodes and attribute values;
// nothing here, or anywhere in the page, parses HTML.

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element. `props`: `on` ({event: listener}), `data` ({name: value}), attributes, and what has to
 * be set as a property. Null, undefined and false leave a prop or a child out.
 */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value == null || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === 'data') Object.assign(node.dataset, value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
  return node;
}

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'indeterminate', 'selected', 'open']);

/** Appends children: nodes, text, arrays of these. */
export function append(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child != null && child !== false) node.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces all children. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

const ICONS = {
  add: 'M8 3v10M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  back: 'M10 3L5 8l5 5',
  up: 'M8 13V3M4 7l4-4 4 4',
  down: 'M8 3v10M4 9l4 4 4-4',
  room: 'M3 4h10v7H7l-3 3v-3H3z',
  warning: 'M8 2l6 11H2zM8 6v4M8 11.5v.5',
  settings: 'M2 5h7m3 0h2M2 11h2m3 0h7M10.5 3.5v3M5.5 9.5v3',
  check: 'M3 8l4 4 6-8',
  save: 'M8 2v8M5 7l3 3 3-3M3 13h10',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3l2 2',
};

/** A small picture that says nothing of its own: put words beside it, or a label on its button. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button. `props.label` is its accessible name if it shows only an icon. */
export function button(content, onClick, props = {}) {
  const { label, ...rest } = props;
  return h('button', { type: 'button', 'aria-label': label, title: label, ...rest, on: { click: onClick, ...(rest.on ?? {}) } }, content);
}

/** Says something to a screen reader, once. */
export function announce(text) {
  const place = document.getElementById('announcer');
  place.textContent = '';
  // A change in the same turn of the event loop is not noticed.
  setTimeout(() => { place.textContent = text; }, 50);
}

/**
 * A modal dialog. `build(close)` gives its content; `close(result)` ends it. Resolves to the
 * result, or to undefined if it was dismissed (Escape, or the X).
 */
export function dialog(title, build, props = {}) {
  return new Promise((resolve) => {
    let result;
    const close = (value) => { result = value; box.close(); };
    const heading = h('h2', { id: `dialog-${++dialogs}` }, title);
    const box = h('dialog', { class: `dialog ${props.class ?? ''}`, 'aria-labelledby': heading.id },
      h('header', null, heading, button(icon('close'), () => close(undefined), { label: 'Close', class: 'quiet' })),
      build(close));
    box.addEventListener('close', () => { box.remove(); resolve(result); });
    document.body.append(box);
    box.showModal();
    const first = box.querySelector('[autofocus]') ?? box.querySelector('input, select, textarea');
    first?.focus();
  });
}

let dialogs = 0;

/** A problem as people see it: what is wrong, and what to do next. */
export function problemBox(problem) {
  return h('div', { class: 'problem', role: 'alert' },
    h('p', null, problem.message), problem.hint && h('p', { class: 'hint' }, problem.hint));
}
