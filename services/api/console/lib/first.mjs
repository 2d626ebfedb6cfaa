// Asks for what the first screen needs while the other modules are still on their way. It imports nothing, so it runs first.
export const ACTIVE = ["open", "acknowledged", "snoozed"];
/** Rows of the first page: more than a screen shows, few enough to come at once. */
export const FIRST_PAGE = 60;

/** An answer is waited for longer than the API waits for its database, 35 s. */
export const LONGEST_MS = 40_000;

const asked = new Map();

function ask(address) {
  const answer = fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin", priority: "high", signal: AbortSignal.timeout(LONGEST_MS) });
  // Whoever takes it hears of a failure; if nobody does, nobody needs to.
  answer.catch(() => {});
  asked.set(address, answer);
}

/** Returns the answer that is on its way from this address, once, or undefined. */
export function early(address) {
  const answer = asked.get(address);
  asked.delete(address);
  return answer;
}

ask("/v1/session");
if (/^#?\/?(alerts)?(\?(?!.*\bshow=)|$)/.test(location.hash)) {
  ask(`/v1/alerts?${ACTIVE.map((status) => `status=${status}`).join("&")}&limit=${FIRST_PAGE}`);
}
