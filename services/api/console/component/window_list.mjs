// A list that draws only the rows in view. Rows have one height, are moved by transform alone (so nothing shifts), and
// what the viewer looks at stays where it is when rows are added above it. What leaves the view lends its elements to what
// comes into it: filling a row again costs a fraction of making one.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/view.mjs";

const OVERSCAN = 8;

/**
 * `ids` in order; `drawRow(id, index)` returns the inside of a row; `selected` is an id.
 * `onTop(is)` hears whether the list stands at its top.
 */
export function WindowList({ ids, rowHeight, drawRow, selected, label, onTop }) {
  const element = useRef(null);
  const before = useRef({ ids: [], top: 0 });
  const isPointedAt = useRef(false);
  const [view, setView] = useState(() => ({ first: 0, last: Math.ceil(innerHeight / rowHeight) + OVERSCAN }));

  const measure = () => {
    if (!element.current) return;
    const { scrollTop, clientHeight } = element.current;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - OVERSCAN);
    const last = Math.ceil((scrollTop + clientHeight) / rowHeight) + OVERSCAN;
    setView((seen) => (seen.first === first && seen.last === last ? seen : { first, last }));
    before.current.top = scrollTop;
    onTop?.(scrollTop === 0);
  };

  useLayoutEffect(() => {
    const list = element.current;
    const { ids: old } = before.current;
    const anchor = old[Math.floor(list.scrollTop / rowHeight)];
    const mustHold = anchor !== undefined && (list.scrollTop > 0 || isPointedAt.current) && ids[0] !== old[0];
    before.current.ids = ids;
    if (mustHold) {
      const moved = ids.indexOf(anchor) - old.indexOf(anchor);
      if (moved > 0 && ids.includes(anchor)) list.scrollTop += moved * rowHeight;
    }
    measure();
  }, [ids, rowHeight]);

  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [rowHeight]);

  const index = selected == null ? -1 : ids.indexOf(selected);
  useLayoutEffect(() => {
    if (index < 0) return;
    const list = element.current;
    const top = index * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
  }, [selected]);

  const shown = ids.slice(view.first, view.last);
  // The selected row keeps the focus even when it is scrolled out of view.
  const isAway = index >= 0 && (index < view.first || index >= view.last);
  const slots = useSlots(isAway ? [...shown, selected] : shown);
  return html`<div class="window" ref=${element} onScroll=${measure} tabindex=${ids.length ? -1 : 0}
      onPointerEnter=${() => (isPointedAt.current = true)} onPointerLeave=${() => (isPointedAt.current = false)}>
    <ul aria-label=${label} ref=${(list) => list && (list.style.height = `${ids.length * rowHeight}px`)}>
      ${shown.map((id, at) => html`<${Row} key=${slots.get(id)} top=${(view.first + at) * rowHeight} at=${view.first + at} of=${ids.length}>
        ${drawRow(id, view.first + at)}
      </${Row}>`)}
      ${isAway && html`<${Row} key=${slots.get(selected)} top=${index * rowHeight} at=${index} of=${ids.length}>${drawRow(selected, index)}</${Row}>`}
    </ul>
  </div>`;
}

/**
 * Returns a number for each id: its own as long as it is shown, then free for another. After a leap rows that stood in
 * view would be filled again in view, and what is in them would shift; so many are made anew.
 */
function useSlots(ids) {
  const pool = useRef({ slots: new Map(), n_made: 0 }).current;
  const { slots } = pool;
  const free = [];
  const wanted = new Set(ids);
  for (const [id, slot] of slots) {
    if (wanted.has(id)) continue;
    free.push(slot);
    slots.delete(id);
  }
  if (free.length > OVERSCAN) free.length = 0;
  for (const id of ids) if (!slots.has(id)) slots.set(id, free.pop() ?? pool.n_made++);
  return slots;
}

function Row({ top, at, of, children }) {
  return html`<li aria-setsize=${of} aria-posinset=${at + 1} style=${{ transform: `translateY(${top}px)` }}>${children}</li>`;
}
