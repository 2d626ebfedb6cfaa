"""Writes a replay as files: scores.csv, alerts.csv, report.json, report.html."""

import csv
from pathlib import Path

import msgspec
import numpy as np

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.backtest.orders import TimeForm
from services.churn_alerts.backtest.page import page
from services.churn_alerts.backtest.replay import Replay
from services.churn_alerts.backtest.summary import Summary
from services.churn_alerts.customer.history import History

_END_OF_DAY = {"date": "", "naive": " 23:59:59", "zoned": "T23:59:59Z"}


def write_files(folder: Path, history: History, replay: Replay, summary: Summary, time_form: TimeForm) -> list[Path]:
    """Write the four files into `folder`, made if needed, and return their paths.

    Decisions fall at the end of a UTC day; times are written in the form the orders have: a bare date means its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = history.customer_ids
    scored, alerts = replay.scored, replay.alerts
    paths = [folder / name for name in ("scores.csv", "alerts.csv", "report.json", "report.html")]
    times = {day: iso(day) + _END_OF_DAY[time_form] for day in np.unique(np.append(scored.day, alerts.day)).tolist()}
    with paths[0].open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("customer_id", "alert_time", "score", "eligible"))
        owners, eligible = history.customer[scored.row].tolist(), scored.is_eligible.tolist()
        rows = zip(owners, scored.day.tolist(), scored.p.tolist(), eligible, strict=True)
        writer.writerows((ids[owner], times[day], f"{p:.6f}", int(passed)) for owner, day, p, passed in rows)
    with paths[1].open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("customer_id", "alert_time", "score"))
        raised = zip(history.customer[alerts.row].tolist(), alerts.day.tolist(), alerts.p.tolist(), strict=True)
        writer.writerows((ids[owner], times[day], f"{p:.6f}") for owner, day, p in raised)
    paths[2].write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    paths[3].write_text(page(summary), encoding="utf-8")
    return paths
