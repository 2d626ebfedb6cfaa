// One dead letter: why it was refused, its bytes, and what to do with it.
import { DiscardDialog } from "../component/discard_dialog.mjs";
import { Failed, Waiting } from "../component/empty.mjs";
import { Icon } from "../component/icon.mjs";
import { Fact } from "../component/risk.mjs";
import { When } from "../component/when.mjs";
import { problemText } from "../lib/actions.mjs";
import { api, may } from "../lib/api.mjs";
import { useLoaded } from "../lib/load.mjs";
import { told } from "../lib/reason.mjs";
import { link } from "../lib/route.mjs";
import { t, term } from "../lib/text.mjs";
import { tell } from "../lib/toast.mjs";
import { html, useState } from "../lib/view.mjs";

export function DeadLetterPage({ id }) {
  const loaded = useLoaded(() => api.deadLetter(id), [id]);
  const letter = loaded.data;
  if (loaded.problem && !letter) return html`<${Failed} problem=${loaded.problem} retry=${loaded.reload} />`;
  if (!letter) return html`<${Waiting} />`;
  return html`<article class="page detail" aria-labelledby="page-title">
    <nav class="crumbs"><a href=${link("dead-letters")}><${Icon} name="back" size=${14} />${t("nav.dead-letters")}</a></nav>
    <header class="detail-head">
      <div class="detail-title"><h1 id="page-title" dir="auto">${told(letter.reason).text}</h1><span class="badge">${t(`dead.status.${letter.status}`)}</span></div>
      <p class="hint"><span class="mono" dir="auto">${letter.error}</span> ${letter.pointer && !letter.error.startsWith(letter.pointer) && html`· <span class="mono">${t("dead.pointer", { pointer: letter.pointer })}</span>`}</p>
      ${letter.handled_at && html`<p class="hint">${letter.handled_by} · <${When} at=${letter.handled_at} /> ${letter.note && html`· <span dir="auto">${letter.note}</span>`}</p>`}
    </header>
    <section class="card"><dl class="facts across">
      <${Fact} label=${t("dead.stage")} value=${term("stage", letter.stage)} />
      <${Fact} label=${t("dead.where")} value=${html`<span class="mono">${letter.topic}/${letter.partition}/${letter.offset}</span>`} />
      <${Fact} label=${t("dead.seen")} value=${html`<${When} at=${letter.first_seen_at} />`} note=${t("dead.attempts", { n: letter.attempts })} />
    </dl></section>
    <${Bytes} letter=${letter} onDone=${loaded.reload} />
    ${letter.headers.length > 0 && html`<section class="card"><h2>${t("dead.headers")}</h2>
      <dl class="pairs">${letter.headers.map(([name, value], index) => html`<div key=${index}><dt class="mono">${name}</dt><dd class="mono" dir="auto">${textOf(value)}</dd></div>`)}</dl></section>`}
  </article>`;
}

function Bytes({ letter, onDone }) {
  const original = letter.value_text ?? "";
  const isText = letter.value_text != null;
  const [text, setText] = useState(pretty(original));
  const [isDiscarding, setDiscarding] = useState(false);
  const canWrite = may("dead_letters:write") && letter.status === "open";
  const isChanged = isText && text !== pretty(original);
  const replay = async () => {
    try {
      await api.replay(letter.id, isChanged ? { value: text } : {});
      tell(t("dead.done.replay"));
      onDone();
    } catch (problem) {
      tell(problemText(problem), "error");
    }
  };
  const discard = async (reason) => {
    await api.discard(letter.id, reason);
    tell(t("dead.done.discard"));
    onDone();
  };
  return html`<section class="card"><h2 id="bytes">${t("dead.value")}</h2>
    ${!isText && html`<p class="hint">${t("dead.value.binary")}</p>`}
    ${isText && canWrite
      ? html`<textarea class="mono code" rows="14" spellcheck="false" aria-labelledby="bytes" value=${text} onInput=${(event) => setText(event.target.value)} />`
      : html`<pre class="mono code" tabindex="0" aria-labelledby="bytes" dir="auto">${isText ? pretty(original) : letter.value}</pre>`}
    ${canWrite && html`<div class="actions">
      <button class="button primary" type="button" onClick=${replay}>${isChanged ? t("dead.replay.fixed") : t("dead.replay")}</button>
      <button class="button" type="button" onClick=${() => setDiscarding(true)}>${t("dead.discard")}</button></div>`}
    ${isDiscarding && html`<${DiscardDialog} title=${t("dead.discard")} onClose=${() => setDiscarding(false)} discard=${discard} />`}
  </section>`;
}

/** Returns Base64 as the text it holds, or as it is when it holds none. */
function textOf(base64) {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return base64;
  }
}

/** Returns JSON with line breaks, anything else as it is. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
