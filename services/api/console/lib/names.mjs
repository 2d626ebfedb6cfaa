// Customers' names for lists that hold only ids: looked up when a row is seen, a few at a time, once.
import { api } from "./api.mjs";
import { signal } from "./view.mjs";

const MOST_AT_ONCE = 3;
const names = new Map();
const waiting = new Map();
const arrived = signal(0);
let n_running = 0;

/** Returns the customer's name, or null while it is not known or when there is none. */
export function nameOf(customerId) {
  arrived.value;
  if (names.has(customerId)) return names.get(customerId);
  waiting.set(customerId, true);
  queueMicrotask(pump);
  return null;
}

export function learnName(customerId, name) {
  if (names.get(customerId) === name) return;
  names.set(customerId, name);
  arrived.value += 1;
}

function pump() {
  while (n_running < MOST_AT_ONCE && waiting.size) {
    // The newest asked for is what the viewer looks at now; rows scrolled past can wait.
    const id = [...waiting.keys()].at(-1);
    waiting.delete(id);
    if (names.has(id)) continue;
    names.set(id, null);
    n_running += 1;
    api
      .customer(id)
      .then((customer) => {
        if (customer.name) learnName(id, customer.name);
      })
      .catch((problem) => {
        // A customer that is not projected yet has no name; anything else may be tried again when it is next seen.
        if (problem.status !== 404) setTimeout(() => names.delete(id), 10_000);
      })
      .finally(() => {
        n_running -= 1;
        pump();
      });
  }
}
