// A sound and a browser notification for a new alert, when the viewer has asked for them.
import { alertOf } from "../lib/alerts.mjs";
import { nameOf } from "../lib/names.mjs";
import { go, link } from "../lib/route.mjs";
import { isNotifying, isSoundOn } from "../lib/settings.mjs";
import { localised, t, term } from "../lib/text.mjs";

let last = null;
let audio = null;

/** Draws attention to an alert once; ids seen before are ignored. */
export function attend(alertId) {
  if (!alertId || alertId === last) return;
  last = alertId;
  const alert = alertOf(alertId);
  if (!alert) return;
  if (isSoundOn.value) chime(alert.severity);
  if (isNotifying.value && document.hidden && globalThis.Notification?.permission === "granted") {
    const title = t("alerts.notify.title", {
      severity: term("severity", alert.severity),
      customer: nameOf(alert.customer_id) ?? alert.customer_id,
    });
    const note = new Notification(title, { body: localised(alert, "summary"), tag: alertId, icon: "icon.svg" });
    note.onclick = () => {
      window.focus();
      go(link("alerts", alertId));
    };
  }
}

const PITCH_HZ = { critical: 880, high: 740, medium: 620, low: 520 };

function chime(severity) {
  audio ??= new AudioContext();
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
