// Who customers are, for lists that hold only ids: alerts bring names; the others are looked up, a few at a time, once.
import { api } from "./api.mjs";
import { signal } from "./view.mjs";

const MOST_AT_ONCE = 3;
// Rows that fly past are not worth a request; a screen shows fewer than this.
const MOST_WAITING = 48;
const PAUSE_MS = 120;
// An alert may be here a moment before its customer is; some customers have no name at all.
const ASK_AGAIN_MS = 5_000;
const MOST_TRIES = 6;
const names = new Map();
const madeUp = new Set();
const waiting = new Set();
const asked = new Set();
const tries = new Map();
let n_running = 0;
let timer = null;

/** Returns the customer's name, or null while it is not known or when there is none. */
export function nameOf(customerId) {
  if (!names.has(customerId)) names.set(customerId, signal(null));
  const name = names.get(customerId).value;
  if (name === null && !asked.has(customerId)) want(customerId);
  return name;
}

/** Returns whether the customer is known to be made up for a demonstration. */
export const isDemo = (customerId) => madeUp.has(customerId);

/** Takes in a name, and whether the customer is made up: what one answer leaves out, another has said. */
export function learnName(customerId, name, isMadeUp = false) {
  if (isMadeUp) madeUp.add(customerId);
  if (!names.has(customerId)) names.set(customerId, signal(name));
  else names.get(customerId).value = name;
}

/** Takes note that the customer has no name, so that nobody asks for it. */
export const learnNameless = (customerId) => asked.add(customerId);

function want(customerId) {
  // The newest asked for is what the viewer looks at now.
  waiting.delete(customerId);
  waiting.add(customerId);
  if (waiting.size > MOST_WAITING) waiting.delete(waiting.values().next().value);
  timer ??= setTimeout(() => {
    timer = null;
    pump();
  }, PAUSE_MS);
}

function askAgain(id) {
  const n_before = tries.get(id) ?? 0;
  if (n_before >= MOST_TRIES) return;
  tries.set(id, n_before + 1);
  setTimeout(() => {
    asked.delete(id);
    want(id);
  }, ASK_AGAIN_MS);
}

function pump() {
  while (n_running < MOST_AT_ONCE && waiting.size) {
    const id = [...waiting].at(-1);
    waiting.delete(id);
    if (asked.has(id) || names.get(id)?.peek()) continue;
    asked.add(id);
    n_running += 1;
    // The list of alerts names the customer where it knows him; his own address would not be there yet.
    api
      .alerts({ customer_id: id, limit: 1 })
      .then(({ items: [alert] }) => (alert?.customer_name ? learnName(id, alert.customer_name, alert.is_demo) : askAgain(id)))
      .catch(() => askAgain(id))
      .finally(() => {
        n_running -= 1;
        pump();
      });
  }
}
