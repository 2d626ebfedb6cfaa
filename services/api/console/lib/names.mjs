// Customers' names for lists that hold only ids: looked up when a row stays in view, a few at a time, once.
import { api } from "./api.mjs";
import { signal } from "./view.mjs";

const MOST_AT_ONCE = 3;
const PAGE_SIZE = 200;
// Rows that fly past are not worth a request; a screen shows fewer than this.
const MOST_WAITING = 48;
const PAUSE_MS = 120;
const names = new Map();
const waiting = new Set();
const asked = new Set();
let n_running = 0;
let timer = null;
let atRisk = null;

/** Returns the customer's name, or null while it is not known or when there is none. */
export function nameOf(customerId) {
  if (!names.has(customerId)) names.set(customerId, signal(null));
  const name = names.get(customerId).value;
  if (name === null && !asked.has(customerId)) want(customerId);
  return name;
}

export function learnName(customerId, name) {
  if (!names.has(customerId)) names.set(customerId, signal(name));
  else names.get(customerId).value = name;
}

function want(customerId) {
  // The newest asked for is what the viewer looks at now.
  waiting.delete(customerId);
  waiting.add(customerId);
  if (waiting.size > MOST_WAITING) waiting.delete(waiting.values().next().value);
  timer ??= setTimeout(begin, names.size > 1 && atRisk ? PAUSE_MS : 0);
}

/** Most alerts are about customers at risk, whose names come in one answer; the others are asked for one by one. */
async function begin() {
  timer = null;
  atRisk ??= api.atRisk({ limit: PAGE_SIZE }).then(
    ({ items }) => items.forEach(({ customer_id: id, name }) => name && learnName(id, name)),
    () => (atRisk = null),
  );
  await atRisk;
  pump();
}

function pump() {
  while (n_running < MOST_AT_ONCE && waiting.size) {
    const id = [...waiting].at(-1);
    waiting.delete(id);
    if (asked.has(id) || names.get(id)?.peek()) continue;
    asked.add(id);
    n_running += 1;
    api
      .customer(id)
      .then((customer) => customer.name && learnName(id, customer.name))
      // A customer that is not projected yet has no name; after another failure it may be asked for again.
      .catch((problem) => problem.status !== 404 && setTimeout(() => asked.delete(id), 10_000))
      .finally(() => {
        n_running -= 1;
        pump();
      });
  }
}
