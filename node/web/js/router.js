// What is on screen follows the part of the address after `#`: so the browser's Back works, and a
// view can be bookmarked.

/** `#/room/ID/access` as `{view: 'room', id: 'ID', tab: 'access', path: [...]}`. */
export function parse(hash) {
  const path = hash.replace(/^#\/?/u, '').split('/').filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { view: path[0] ?? 'home', id: path[1], tab: path[2], path };
}

/** The address of a view. */
export const link = (...path) => `#/${path.map(encodeURIComponent).join('/')}`;

/** Goes to a view. */
export function go(...path) {
  location.hash = link(...path);
}

/** Calls `show(route)` now and whenever the address changes. */
export function start(show) {
  const changed = () => show(parse(location.hash));
  addEventListener('hashchange', changed);
  changed();
}
