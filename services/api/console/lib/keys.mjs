// Keyboard shortcuts of the page in view. Typing in a field or an open dialog is never mistaken for a command.
import { useLayoutEffect, useRef } from "./view.mjs";

export const KEY = { pick: "x", acknowledge: "a", snooze: "s", escalate: "e", resolve: "r", back: "u" };

/** Calls `bindings[key]` on key presses while the component is on screen. */
export function useKeys(bindings) {
  const newest = useRef(bindings);
  newest.current = bindings;
  // With the drawing, not after it: a key pressed the moment a page shows would go nowhere.
  useLayoutEffect(() => {
    const onKey = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
      if (document.querySelector("dialog[open]")) return;
      const action = newest.current[event.key];
      if (!action) return;
      // Enter on a link or a button already means that link or button.
      if (event.key === "Enter" && event.target.closest?.("a, button, summary")) return;
      event.preventDefault();
      action(event);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
