// The report.json that `pulseline backtest` wrote, drawn here. The file is read by this page alone and sent nowhere.
import { chance, date, days, number, percent, t, term, utcDate } from "../lib/text.mjs";
import { html, signal } from "../lib/view.mjs";
import { Chart, roundTicks } from "./chart.mjs";
import { Empty, Rich } from "./empty.mjs";
import { Fact } from "./risk.mjs";

const LEVELS = [0, 0.25, 0.5, 0.75, 1];
const UNIT = { low: 0, high: 1, ticks: LEVELS.map((level) => [level, percent(level)]) };
const PARTS = ["options", "data", "rankings", "rules", "reliability", "roc", "alerts_per_week"];

/** The report in view, kept while the console is open. */
const report = signal(null);
const fault = signal(null);

async function read(event) {
  const [file] = event.target.files;
  if (!file) return;
  try {
    const found = JSON.parse(await file.text());
    const missing = PARTS.filter((part) => found?.[part] === undefined);
    fault.value = missing.length ? t("backtest.wrong", { parts: missing.join(", ") }) : null;
    if (!missing.length) report.value = { name: file.name, ...found };
  } catch {
    fault.value = t("backtest.notjson");
  }
}

const Picker = () => html`<label class="button picker">${t("backtest.open")}<input type="file" accept=".json,application/json" class="sr" onChange=${read} /></label>`;

export function Backtest() {
  const shown = report.value;
  return html`<p class="lead"><${Rich} text=${t("backtest.lead")} /></p>
    ${fault.value && html`<p class="error" role="alert">${fault.value}</p>`}
    ${shown ? html`<div class="card-head"><span class="mono">${shown.name}</span><span class="spacer" /><${Picker} /></div><${Report} report=${shown} />`
      : html`<${Empty} icon="insights" title=${t("backtest.empty")} hint=${t("backtest.empty.hint")}><${Picker} /></${Empty}>`}`;
}

const decimals = (value) => (value == null ? t("none") : number(value, { minimumFractionDigits: 3, maximumFractionDigits: 3 }));

const share = (ratio) => percent(ratio, 1);

const FIGURES = [["n_alerts", number], ["precision", share], ["recall", share], ["f1", decimals], ["median_lead_days", number]];

function Report({ report: { options, data, rankings, rules, reliability, roc, churn_rate: churn, alerts_per_week: weekly, fixed_per_week: fixed, seen, n_scored_rows: n_scored } }) {
  const ours = rules[0].quality;
  const other = rules[1]?.quality;
  const compared = (value) => other && t("backtest.against", { value });
  return html`<p class="lead">${t("backtest.about", { purchases: data.n_purchase_days, customers: data.n_customers, from: date(data.first_day), to: date(data.last_day),
      start: date(options.start), horizon: days(options.horizon_days) })}</p>
    <section class="card"><dl class="facts across">
      <${Fact} label=${t("backtest.lead_days")} value=${days(ours.median_lead_days)} note=${compared(days(other?.median_lead_days ?? 0))} />
      <${Fact} label=${t("backtest.precision")} value=${share(ours.precision)} note=${compared(share(other?.precision ?? 0))} />
      <${Fact} label=${t("backtest.recall")} value=${share(ours.recall)} note=${compared(share(other?.recall ?? 0))} />
      <${Fact} label=${t("backtest.auc")} value=${decimals(rankings[0].auc)} note=${rankings[1] && t("backtest.recency", { value: decimals(rankings[1].auc) })} />
    </dl></section>
    <section class="card below"><h2>${t("backtest.rules")}</h2><table class="data compared">
      <thead><tr><td />${FIGURES.map(([name]) => html`<th scope="col" class="right" key=${name}>${t(`backtest.head.${name}`)}</th>`)}</tr></thead>
      <tbody>${rules.map(({ name: rule, quality }) => html`<tr key=${rule}><th scope="row">${term("backtest_rule", rule)}</th>
        ${FIGURES.map(([name, format]) => html`<td class="right" key=${name} data-label=${t(`backtest.head.${name}`)}>${format(quality[name])}</td>`)}</tr>`)}</tbody></table>
      <p class="hint below">${t("backtest.rules.note", { days: options.fixed_rule_days })}</p></section>
    <section class="card below"><h2>${t("backtest.weekly")}</h2><p class="hint">${t("backtest.weekly.hint")}</p><${Weekly} weekly=${weekly} fixed=${fixed} /></section>
    <div class="pair">
      <section class="card"><h2>${t("backtest.roc")}</h2><p class="hint">${t("backtest.roc.hint", { ours: decimals(rankings[0].auc), recency: decimals(rankings[1]?.auc) })}</p>
        ${roc.pulseline ? html`<${Chart} label=${t("backtest.roc")} height=${260} x=${UNIT} y=${UNIT}
          lines=${[{ points: [[0, 0], [1, 1]], kind: "faint" }, { points: roc.recency ?? [], kind: "other" }, { points: roc.pulseline }]} />` : html`<p class="hint">${t("backtest.nothing")}</p>`}</section>
      <section class="card"><h2>${t("backtest.calibration")}</h2><p class="hint">${t("backtest.calibration.hint", { error: decimals(rankings[0].calibration_error), n: n_scored, rate: share(churn) })}</p>
        <${Calibration} bins=${reliability.filter(({ n }) => n > 0)} /></section>
    </div>
    ${seen?.length > 0 && html`<section class="card below"><h2>${t("backtest.seen")}</h2><p class="hint">${t("backtest.seen.hint")}</p>
      <ul class="entries">${seen.map((alert) => html`<li class="entry" key=${`${alert.date}/${alert.customer_id}`}>
        <div class="card-head"><b class="mono" dir="auto">${alert.customer_id}</b><span class="hint">${date(alert.date)}</span><span class="hint">${t("backtest.silent", { days: days(alert.silence_days), risk: chance(alert.score) })}</span>
          <span class="spacer" /><span class=${`badge state ${alert.returned_after_days == null ? "at_risk" : "active"}`}>${alert.returned_after_days == null ? t("backtest.gone") : t("backtest.back", { days: days(alert.returned_after_days) })}</span></div>
        <p class="hint">${alert.reasons.map(([name]) => term("risk_group", name)).join(" · ")}</p></li>`)}</ul></section>`}`;
}

function Weekly({ weekly, fixed }) {
  if (!weekly.length) return html`<p class="hint">${t("backtest.nothing")}</p>`;
  const ticks = roundTicks(Math.max(...weekly.map(([, n]) => n), ...(fixed ?? []).map(([, n]) => n), 1));
  return html`<${Chart} label=${t("backtest.weekly.hint")} height=${190}
    x=${{ low: 0, high: weekly.length, ticks: weekly.map(([start], index) => [index + 0.5, utcDate(start)]) }}
    y=${{ low: 0, high: ticks.at(-1), ticks: ticks.map((tick) => [tick, number(tick)]) }}
    bars=${weekly.map(([start, n], index) => ({ from: index, to: index + 1, y: n, title: `${date(start)}: ${number(n)}` }))}
    lines=${fixed?.length ? [{ kind: "other", points: fixed.map(([, n], index) => [index + 0.5, n]) }] : []} />`;
}

function Calibration({ bins }) {
  const most = Math.max(...bins.map(({ n }) => n), 1);
  return html`<${Chart} label=${t("backtest.calibration")} height=${260} x=${UNIT} y=${UNIT}
    lines=${[{ points: [[0, 0], [1, 1]], kind: "faint" }, { points: bins.map((bin) => [bin.mean_score, bin.observed]) }]}
    dots=${bins.map((bin) => ({ x: bin.mean_score, y: bin.observed, r: 3 + 5 * Math.sqrt(bin.n / most),
      title: t("backtest.bin", { said: share(bin.mean_score), came: share(bin.observed), n: bin.n }) }))} />`;
}
