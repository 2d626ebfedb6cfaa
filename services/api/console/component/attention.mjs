// A sound and a browser notification for a new alert, when the viewer has asked for them.
import { SEVERITIES, alertOf, arrivals } from "../lib/alerts.mjs";
import { nameOf } from "../lib/names.mjs";
import { go, link } from "../lib/route.mjs";
import { isNotifying, isSoundOn } from "../lib/settings.mjs";
import { localised, t, term } from "../lib/text.mjs";
import { useEffect } from "../lib/view.mjs";

// More than these at once are a flood; the list tells of the rest.
const MOST_NOTES = 3;
let last = null;
let audio = null;

/** Draws nothing; makes alerts heard that arrive while any page is open. */
export function Attention() {
  useEffect(() => attend(arrivals.value), [arrivals.value]);
  return null;
}

/** Draws attention to the alerts that came after those seen before: one sound for all, of the most severe. */
function attend(ids) {
  const alerts = ids.slice(ids.lastIndexOf(last) + 1).map(alertOf).filter(Boolean);
  last = ids.at(-1) ?? last;
  if (!alerts.length) return;
  if (isSoundOn.value) chime(SEVERITIES.find((severity) => alerts.some((alert) => alert.severity === severity)));
  if (isNotifying.value && document.hidden && globalThis.Notification?.permission === "granted") alerts.slice(-MOST_NOTES).forEach(notify);
}

function notify(alert) {
  const title = t("alerts.notify.title", {
    severity: term("severity", alert.severity),
    customer: nameOf(alert.customer_id) ?? alert.customer_id,
  });
  const note = new Notification(title, { body: localised(alert, "summary"), tag: alert.alert_id, icon: "icon.svg" });
  note.onclick = () => {
    window.focus();
    go(link("alerts", alert.alert_id));
  };
}

const PITCH_HZ = { critical: 880, high: 740, medium: 620, low: 520 };

/** Sounds as for an alert of this severity. */
export function chime(severity) {
  audio ??= new AudioContext();
  // Made before the viewer's first click, it waits to be woken.
  if (audio.state === "suspended") audio.resume();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = PITCH_HZ[severity] ?? PITCH_HZ.low;
  volume.gain.setValueAtTime(0.0001, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.12, audio.currentTime + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, audio.currentTime + 0.5);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.5);
}
