// Who else has an alert open: this page says every few seconds that it is looked at, and hears who else looks.
import { api } from "./api.mjs";
import { useEffect, useState } from "./view.mjs";

const RETRY_MS = 4_000;

/** Returns the others who have the alert open, `[{name, since}]`; empty while nobody has or nobody can be asked. */
export function usePresence(alertId) {
  const [others, setOthers] = useState([]);
  useEffect(() => {
    let isHere = true;
    let timer = null;
    const ask = async () => {
      clearTimeout(timer);
      // A page in the background is not looked at: its viewer expires for the others.
      if (document.hidden) return setOthers([]);
      let againMs = RETRY_MS;
      try {
        const { items, ask_again_in_s: againS } = await api.presence(alertId);
        againMs = againS * 1000;
        if (isHere) setOthers(items);
      } catch {
        if (isHere) setOthers([]);
      }
      clearTimeout(timer);
      if (isHere) timer = setTimeout(ask, againMs);
    };
    ask();
    document.addEventListener("visibilitychange", ask);
    const leave = () => api.leave(alertId).catch(() => {});
    addEventListener("pagehide", leave);
    return () => {
      isHere = false;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
      removeEventListener("pagehide", leave);
      leave();
    };
  }, [alertId]);
  return others;
}
