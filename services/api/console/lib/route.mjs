// The address after # is the state of the page, so that a link shows a colleague the same thing.
import { computed, signal } from "./view.mjs";

const raw = signal(location.hash);
addEventListener("hashchange", () => {
  raw.value = location.hash;
});

export const route = computed(() => {
  const [path, query = ""] = raw.value.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/").map(decode);
  return { page: page || "alerts", id: rest.join("/") || null, query: new URLSearchParams(query) };
});

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Returns the address of a page; empty values are left out. */
export function link(page, id = null, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value != null && value !== "")).toString();
  return `#/${page}${id == null ? "" : `/${encodeURIComponent(id)}`}${search ? `?${search}` : ""}`;
}

export function go(address) {
  location.hash = address;
}

/** Changes members of the present query without a new step in the browser's history. */
export function setQuery(changes) {
  const { page, id, query } = route.value;
  const next = { ...Object.fromEntries(query), ...changes };
  history.replaceState(history.state, "", link(page, id, next));
  raw.value = location.hash;
}
