// Where the focus goes when what had it is drawn no more: to the next row, or to the heading of what it stood in. Without
// this it falls to the document, and who works by keyboard or by ear has lost the place.
const ROW = "li, tr, .card";
const HEADING = "h1, h2, h3";

// What has the focus, and what it stands in, innermost first: `{node, parent, index}`.
let at = null;
let path = [];
let isLost = false;
let wasOff = false;
let isQuiet = false;

/** Returns whether the focus is being put somewhere for want of a better place, rather than by choice. */
export const isPlacing = () => isQuiet;

/** Returns whether nobody would miss the focus: it is nowhere, or on the heading of a page that was just opened. */
export const isFree = () => isNowhere() || document.activeElement.id === "page-title";

const isNowhere = () => !document.activeElement || document.activeElement === document.body;

/** Focuses an element, also one that takes no focus of itself; nothing is scrolled or selected by it. */
export function place(element) {
  if (element.tabIndex < 0) element.tabIndex = -1;
  isQuiet = true;
  element.focus({ preventScroll: true });
  isQuiet = false;
}

/** Returns what an element stands in, to `settle` there once it may be gone. */
export function pathOf(element) {
  const found = [];
  for (let node = element; node?.parentElement && node !== document.body; node = node.parentElement) {
    found.push({ node, parent: node.parentElement, index: [...node.parentElement.children].indexOf(node) });
  }
  return found;
}

/** Puts the focus on what is left of a path, now or once it is drawn, unless the viewer puts it somewhere before. */
export function settle(from) {
  at = null;
  path = from;
  isLost = true;
  look();
}

/** Puts the focus on the heading of a page that was just opened, unless the page has done better. */
export function arrive() {
  const main = document.getElementById("main");
  const { activeElement: now } = document;
  if (now !== main && main.contains(now)) return;
  now?.blur();
  settle(pathOf(main));
}

function look() {
  if (at && !at.isConnected) isLost = true;
  else if (at?.disabled) wasOff = true;
  else if (wasOff) {
    wasOff = false;
    if (at && isNowhere()) place(at);
  }
  if (!isLost || !isNowhere()) return;
  const target = targetOf(path);
  if (target) place(target);
}

function targetOf(steps) {
  for (const { node, parent, index } of steps) {
    const left = node.isConnected ? node : parent.isConnected && node.matches(ROW) && parent.children[Math.min(index, parent.children.length - 1)];
    // The rows of a list that is drawn in part are filled again with others.
    if (!left || left.closest(".window")) continue;
    if (left.matches("li, tr")) return left;
    const target = left.querySelector(left.matches(".list-box") ? '.row[tabindex="0"]' : HEADING);
    if (target) return target;
  }
  return null;
}

/** Begins to watch; called once. */
export function watchFocus() {
  addEventListener("focusin", ({ target }) => {
    at = target;
    path = pathOf(target);
    isLost = wasOff = false;
  });
  addEventListener("focusout", ({ target }) => {
    // After the drawing that may have taken it away: who looks elsewhere has left it by choice.
    queueMicrotask(() => {
      if (target === at && target.isConnected && !target.disabled && isNowhere()) at = null;
    });
  });
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });
}
