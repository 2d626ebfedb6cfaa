"""The report a person reads: one HTML file, no network, Chinese and English, light and dark."""

from html import escape
from pathlib import Path

from services.churn_alerts.backtest.chart import Axis, Line, Mark, bar_chart, line_chart, nice_top
from services.churn_alerts.backtest.summary import Cohort, SeenAlert, Summary

REASONS = {
    "beyond_own_history": ("silent beyond what the own history allows", "沉默已超出其历史规律"),
    "overdue_against_usual_gap": ("overdue against the own usual gap", "超过其平常的购买间隔"),
    "silence_and_history": ("length of silence, age and number of purchases", "沉默时长、客龄与购买次数"),
    "gaps_growing": ("gaps between purchases are growing", "购买间隔在变长"),
    "baskets_shrinking": ("baskets are small or shrinking", "客单价偏低或在下降"),
    "returns": ("recent returns", "近期有退货"),
    "buying_less": ("bought less lately", "近期购买减少"),
    "less_than_usual_customer": ("buys less than the usual customer", "购买少于一般客户"),
}
CHOSEN = {
    "start": ("first scored day", "起始评分日"),
    "horizon": ("horizon", "预测期"),
    "lost_after": ("lost after", "视为流失"),
    "min_purchases": ("fewest purchase days", "最少购买日数"),
}
RULES = {
    "pulseline": ("Pulseline alerts", "Pulseline 预警"),
    "fixed_rule": ("fixed rule", "固定规则"),
    "fixed_rule_half": ("fixed rule, half the window", "固定规则（窗口减半）"),
    "fixed_rule_three_halves": ("fixed rule, 1.5 × window", "固定规则（1.5 倍窗口）"),
}
RANKINGS = {
    "pulseline": ("Pulseline risk", "Pulseline 风险"),
    "recency": ("days of silence alone", "仅按沉默天数"),
    "fixed_rule": ("fixed rule (yes or no)", "固定规则（是/否）"),
}
DATE_ORDERS = {"year first": "年在前", "day first": "日在前", "month first": "月在前"}
DECIMALS = {".": ("point", "小数点"), ",": ("comma", "小数逗号")}
ORIGINS = {
    "prior": ("shipped prior", "内置先验"),
    "prior_recentred": ("prior, level refitted", "先验（重定基准）"),
    "mixture": ("own rhythms, no outcomes yet", "自有购买节奏（尚无结果）"),
    "own": ("own data", "自有数据"),
}


def page(summary: Summary) -> str:
    """Return the whole HTML document of a report."""
    sections = [
        _headline(summary),
        _section("What you would have seen", "您本会看到的预警", _seen_table(summary.seen)),
        _section("Alerts", "预警效果", _alert_charts(summary)),
        _section("Ranking and calibration", "排序与校准", _ranking_charts(summary)),
        _section("Your customers", "您的客户", _customer_charts(summary)),
        _section("How this was made", "方法与设定", _method(summary)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pulseline backtest</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_file('report.css')}</style></head><body>"
        f"<header><h1>Pulseline · {_both('backtest', '历史回测')}</h1>"
        '<button id="language" type="button">中文 / English</button></header>'
        f"<main>{''.join(sections)}</main><script>{_file('report.js')}</script></body></html>\n"
    )


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _both(english: str, chinese: str) -> str:
    return f'<span class="en">{escape(english)}</span><span class="zh" lang="zh">{escape(chinese)}</span>'


def _section(english: str, chinese: str, body: str) -> str:
    return f"<section><h2>{_both(english, chinese)}</h2>{body}</section>"


def _figure(english: str, chinese: str, svg: str, note: str = "") -> str:
    return f"<figure><figcaption>{_both(english, chinese)}</figcaption>{svg}{note}</figure>"


def _decimals(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(f"<th>{name}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _headline(summary: Summary) -> str:
    ours, fixed = summary.rules[0].quality, summary.rules[1].quality
    auc, recency = summary.rankings[0].auc, summary.rankings[1].auc
    lead, fixed_lead = f"{ours.median_lead_days:.0f}", f"{fixed.median_lead_days:.0f}"
    cards = [
        _card(lead, "days of warning (median)", "天提前量（中位数）", fixed_lead),
        _card(f"{ours.precision:.0%}", "of alerts were right", "预警正确", f"{fixed.precision:.0%}"),
        _card(f"{ours.recall:.0%}", "of leavers found", "流失客户被发现", f"{fixed.recall:.0%}"),
        _card(_decimals(auc), "ranking, ROC-AUC", "排序 ROC-AUC", _decimals(recency)),
    ]
    note = _both(
        "Small figures: the fixed rule; for the ranking, days of silence alone.",
        "小字为固定规则的结果；排序一项为仅按沉默天数。",
    )
    options, data = summary.options, summary.data
    intro = _both(
        f"{data['n_purchase_days']:,} purchase days of {data['n_customers']:,} customers, {data['first_day']} to "
        f"{data['last_day']}; scored from {options['start']} on. A customer leaves when he buys nothing for "
        f"{options['horizon_days']} days; nothing after a decision's day was used to make it.",
        f"{data['first_day']} 至 {data['last_day']}，{data['n_customers']:,} 位客户，{data['n_purchase_days']:,} "
        f"个购买日；自 {options['start']} 起评分。流失指此后 {options['horizon_days']} 天内没有购买；"
        "每个判断都只使用当天及以前的数据。",
    )
    warned = "".join(f'<p class="caution">{_both(entry.english, entry.chinese)}</p>' for entry in summary.warnings)
    return (
        f'<section><p>{intro}</p>{warned}<div class="cards">{"".join(cards)}</div><p class="note">{note}</p></section>'
    )


def _card(value: str, english: str, chinese: str, compared: str) -> str:
    return f'<div class="card"><b>{value}</b>{_both(english, chinese)} <i>{compared}</i></div>'


def _seen_table(seen: list[SeenAlert]) -> str:
    if not seen:
        return f"<p>{_both('No alert whose outcome is known yet.', '还没有结果已知的预警。')}</p>"
    rows = []
    for alert in seen:
        reasons_en = "; ".join(REASONS[name][0] for name, _ in alert.reasons)
        reasons_zh = "；".join(REASONS[name][1] for name, _ in alert.reasons)
        if alert.returned_after_days is None:
            outcome = _both("has not bought since", "此后未再购买")
        else:
            days = alert.returned_after_days
            outcome = _both(f"bought again {days} days later", f"{days} 天后再次购买")
        rows.append(
            [
                alert.date,
                escape(alert.customer_id),
                f"{alert.silence_days}",
                f"{alert.score:.0%}",
                f'<div class="because">{_both(reasons_en, reasons_zh)}</div>',
                *_contact_cells(alert),
                outcome,
            ]
        )
    head = [
        _both("day", "日期"),
        _both("customer", "客户"),
        _both("days silent", "沉默天数"),
        _both("risk", "风险"),
        _both("because", "原因"),
        *(
            [_both("contacts, of them trouble, in 30 days", "30 天内来访与问题")]
            if seen[0].n_contacts is not None
            else []
        ),
        _both("what happened", "后来"),
    ]
    note = _both("The most certain alert of each week, newest first.", "每周风险最高的一条预警，新的在前。")
    return f"<p>{note}</p>{_table(head, rows)}"


def _contact_cells(alert: SeenAlert) -> list[str]:
    if alert.n_contacts is None:
        return []
    return [f"{alert.n_contacts} / {alert.n_troubles}"]


def _alert_charts(summary: Summary) -> str:
    window = summary.options["fixed_rule_days"]
    rows = [[_both(*RULES[rule.name]), *rule.quality.told()] for rule in summary.rules]
    head = [
        _both(f"rule (fixed window: {window} days)", f"规则（固定窗口：{window} 天）"),
        _both("alerts", "预警数"),
        _both("precision", "精确率"),
        _both("recall", "召回率"),
        "F1",
        _both("median lead, days", "提前量中位数（天）"),
    ]
    weekly = [count for _, count in summary.alerts_per_week]
    fixed = [count for _, count in summary.fixed_per_week]
    top = nice_top(max([*weekly, *fixed, 1]))
    weeks = [day[5:] for day, _ in summary.alerts_per_week]
    lead_top = nice_top(max([count for _, count in summary.leads] or [1]))
    return (
        _young(summary)
        + _table(head, rows)
        + '<div class="pair">'
        + _figure(
            "Alerts a week (ticks: fixed rule)",
            "每周预警数（横线：固定规则）",
            bar_chart("alerts a week", weeks, weekly, Axis(0, top), fixed),
        )
        + _figure(
            "Lead: days from the alert until the customer counts as lost",
            "提前量：从预警到视为流失的天数",
            bar_chart(
                "lead", [str(lead) for lead, _ in summary.leads], [n for _, n in summary.leads], Axis(0, lead_top)
            ),
        )
        + "</div>"
    )


def _young(summary: Summary) -> str:
    if summary.rules[0].quality.n_silences:
        return ""
    note = _both(
        "No silence that began after the start has run its course yet, so precision, recall and lead are unknown.",
        "起始日之后开始的沉默都还没有结果，因此精确率、召回率与提前量未知。",
    )
    return f"<p>{note}</p>"


def _ranking_charts(summary: Summary) -> str:
    unit = Axis(0, 1, percent=True)
    rows = [
        [
            _both(*RANKINGS[ranking.name]),
            _decimals(ranking.auc),
            _decimals(ranking.calibration_error),
        ]
        for ranking in summary.rankings
    ]
    diagonal = Line([(0, 0), (1, 1)], "faint")
    bins = [(entry.mean_score, entry.observed) for entry in summary.reliability if entry.n]
    roc = [Line(summary.roc["recency"], "other"), Line(summary.roc["pulseline"])] if summary.roc else []
    base = Line([(0, summary.churn_rate), (1, summary.churn_rate)], "faint")
    weekly = [(float(index), auc) for index, (_, auc) in enumerate(summary.auc_by_checkpoint) if auc == auc]
    last = max(len(summary.auc_by_checkpoint) - 1, 1)
    figures = [
        _figure(
            "ROC: Pulseline against days of silence (grey)",
            "ROC：Pulseline 与仅按沉默天数（灰）",
            line_chart("ROC", [diagonal, *roc], Axis(0, 1, "false alarms", "误报率", True), unit),
        ),
        _figure(
            "Precision by recall",
            "精确率–召回率",
            line_chart(
                "precision and recall",
                [base, Line(summary.precision_recall)],
                Axis(0, 1, "recall", "召回率", True),
                unit,
            ),
        ),
        _figure(
            "Calibration: predicted risk and what came true",
            "校准：预测风险与实际比例",
            line_chart("calibration", [diagonal, Line(bins, dots=True)], Axis(0, 1, "predicted", "预测", True), unit),
        ),
        _figure(
            "ROC-AUC at each checkpoint",
            "各检查点的 ROC-AUC",
            line_chart("AUC by checkpoint", [Line(weekly)], Axis(0, last, "checkpoint", "检查点"), Axis(0.5, 1)),
        ),
    ]
    head = [_both("score", "评分"), "ROC-AUC", _both("calibration error", "校准误差")]
    return _table(head, rows) + '<div class="pair">' + "".join(figures) + "</div>"


def _customer_charts(summary: Summary) -> str:
    survival = [(float(day), share) for day, share in enumerate(summary.survival)]
    options = summary.options
    marks = [
        Mark(options["horizon_days"], "H"),
        Mark(options["lost_after_days"], "C"),
        Mark(options["fixed_rule_days"], "W"),
    ]
    end = max(len(survival) - 1, 1)
    curve = _figure(
        "Share of repeat customers not back yet, by days since the purchase",
        "购买后尚未再次购买的回头客比例（按天）",
        line_chart("survival", [Line(survival)], Axis(0, end, "days", "天"), Axis(0, 1, percent=True), marks),
    )
    cohorts = _figure(
        "Cohorts by month of first purchase: share buying in later months",
        "按首购月份分组：其后各月仍购买的比例",
        _cohort_table(summary.cohorts),
    )
    return f'<div class="pair">{curve}{cohorts}</div>'


def _cohort_table(cohorts: list[Cohort]) -> str:
    n_ages = max((len(cohort.active) for cohort in cohorts), default=0)
    rows = [
        "<tr>"
        f"<td>{cohort.month}</td><td>{cohort.n_customers:,}</td>"
        + "".join(f'<td class="heat" style="--share:{share:.2f}">{share:.0%}</td>' for share in cohort.active)
        + "</tr>"
        for cohort in cohorts
    ]
    head = "".join(f"<th>{age}</th>" for age in range(n_ages))
    return (
        f'<div class="scroll"><table class="small"><thead><tr><th>{_both("month", "月份")}</th>'
        f"<th>{_both('customers', '客户')}</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _method(summary: Summary) -> str:
    options, data = summary.options, summary.data
    chosen_en = ", ".join(CHOSEN[name][0] for name in options["chosen_from_data"]) or "nothing"
    chosen_zh = "、".join(CHOSEN[name][1] for name in options["chosen_from_data"]) or "无"
    settings = _both(
        f"Horizon {options['horizon_days']} days; lost after {options['lost_after_days']} days; customers "
        f"with at least {options['min_purchases']} purchase days; a checkpoint every {options['every_days']} days; "
        f"usual gap {options['usual_gap_days']} days. Chosen from the data before the start: {chosen_en}.",
        f"预测期 {options['horizon_days']} 天；沉默 {options['lost_after_days']} 天视为流失；至少 "
        f"{options['min_purchases']} 个购买日；每 {options['every_days']} 天评分一次；平常间隔 "
        f"{options['usual_gap_days']} 天。由起始日前数据选定：{chosen_zh}。",
    )
    policy = _both(
        "The threshold of each period leaves as many alerts as the fixed rule did in the twelve weeks before it, or as "
        "many as the given capacity. No alert comes before the floor: shares of the fixed window and of the own usual "
        "gap, of three choices the one that would have alerted best in the past known by then.",
        "每期阈值使预警数与此前十二周固定规则的数量（或给定的处理能力）相当；"
        "沉默未到下限（固定窗口与自身平常间隔的比例，三种中取当时已知历史上预警效果最好的一种）时不预警。",
    )
    read = _both(
        f"Rows read: {data['n_rows']:,}; rejected: {data['n_rejected']:,}; left out for want of a customer: "
        f"{data['n_without_customer']:,}; without amount: "
        f"{data['n_without_amount']:,}; negative amounts taken as returns: "
        f"{data['n_negative_amounts_taken_as_returns']:,}; repeated rows left out: "
        f"{data['n_repeated_rows_dropped']:,}; equal rows counted: {data['n_equal_rows_kept']:,}. Dates: "
        f"{data['date_order']}; amounts: decimal {DECIMALS[data['decimal_sign']][0]}"
        f"{', ' + data['currency'] if data['currency'] else ''}.",
        f"读取 {data['n_rows']:,} 行；拒绝 {data['n_rejected']:,} 行；"
        f"因无客户略去 {data['n_without_customer']:,} 行；无金额 {data['n_without_amount']:,} 行；"
        f"负金额按退货处理 {data['n_negative_amounts_taken_as_returns']:,} 行；"
        f"略去重复 {data['n_repeated_rows_dropped']:,} 行；相同但计入 {data['n_equal_rows_kept']:,} 行。"
        f"日期按{DATE_ORDERS[data['date_order']]}读取；金额按{DECIMALS[data['decimal_sign']][1]}读取"
        f"{'，' + data['currency'] if data['currency'] else ''}。",
    )
    rows = [
        [
            entry["in_force_from"],
            str(entry["version"]),
            _both(*ORIGINS[entry["origin"]]),
            f"{entry['n_repeat_customers']:,}",
            f"{entry['threshold']:.3f}",
            _floor(entry["floor_window_share"], entry["floor_gap_share"]),
        ]
        for entry in summary.generations
    ]
    head = [
        _both("in force from", "生效日"),
        _both("generation", "模型代"),
        _both("fitted from", "拟合依据"),
        _both("repeat customers", "回头客"),
        _both("threshold", "阈值"),
        _both("floor", "下限"),
    ]
    why = "".join(f"<p>{_both(entry['english'], entry['chinese'])}</p>" for entry in options["why"])
    contacts = _contacts_line(summary)
    return f"<p>{settings}</p>{why}<p>{policy}</p><p>{read}</p>{contacts}{_table(head, rows)}"


def _floor(window_share: float, gap_share: float) -> str:
    english, chinese = f"{window_share:.0%} of the window", f"窗口的 {window_share:.0%}"
    if gap_share:
        english, chinese = f"{english}, {gap_share:.0%} of the gap", f"{chinese}、间隔的 {gap_share:.0%}"
    return _both(english, chinese)


def _contacts_line(summary: Summary) -> str:
    found = summary.contacted
    if found is None:
        return ""
    line = _both(
        f"Interactions read: {found.n_events:,} ({found.n_rejected:,} rejected). Alerts after a ticket or low rating "
        f"within 30 days: {found.n_after_trouble:,}, {found.precision_after_trouble:.0%} right; others: "
        f"{found.n_others:,}, {found.precision_of_others:.0%} right.",
        f"读取互动 {found.n_events:,} 条（拒绝 {found.n_rejected:,} 条）。30 天内有工单或低分的预警 "
        f"{found.n_after_trouble:,} 条，正确 {found.precision_after_trouble:.0%}；其余 {found.n_others:,} 条，"
        f"正确 {found.precision_of_others:.0%}。",
    )
    return f"<p>{line}</p>"
