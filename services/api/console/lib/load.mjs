// Fetching for a page: the present answer, why there is none, and how to ask again.
import { t } from "./text.mjs";
import { say } from "./toast.mjs";
import { useCallback, useEffect, useRef, useState } from "./view.mjs";

/** Returns `{data, problem, isLoading, reload}`; asks again when `dependencies` change, keeping old data meanwhile. */
export function useLoaded(ask, dependencies) {
  const [state, setState] = useState({ data: null, problem: null, isLoading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    setState((before) => ({ ...before, isLoading: true }));
    ask().then(
      (data) => isCurrent && setState({ data, problem: null, isLoading: false }),
      (problem) => isCurrent && setState((before) => ({ data: before.data, problem, isLoading: false })),
    );
    return () => (isCurrent = false);
  }, [...dependencies, round]);
  return { ...state, reload: useCallback(() => setRound((n) => n + 1), []) };
}

/**
 * Like `useLoaded` for keyset pages: `items` grow with `more()` while `hasMore`. When another `question` is answered, how
 * many rows it has is said.
 */
export function usePages(ask, dependencies, question = null) {
  const answered = useRef(question);
  const [state, setState] = useState({ items: [], cursor: null, problem: null, isLoading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    setState((before) => ({ ...before, isLoading: true }));
    ask(null).then(
      (page) => {
        if (!isCurrent) return;
        setState({ items: page.items, cursor: page.next_cursor, problem: null, isLoading: false, page });
        if (question && answered.current && answered.current !== question) say(t("shown", { n: page.items.length }));
        answered.current = question;
      },
      (problem) => isCurrent && setState((before) => ({ ...before, problem, isLoading: false })),
    );
    return () => (isCurrent = false);
  }, [...dependencies, round]);
  const more = async () => {
    setState((before) => ({ ...before, isLoading: true }));
    try {
      const page = await ask(state.cursor);
      setState((before) => ({ ...before, items: [...before.items, ...page.items], cursor: page.next_cursor, isLoading: false }));
    } catch (problem) {
      setState((before) => ({ ...before, problem, isLoading: false }));
    }
  };
  return { ...state, more, hasMore: state.cursor != null, reload: () => setRound((n) => n + 1) };
}
