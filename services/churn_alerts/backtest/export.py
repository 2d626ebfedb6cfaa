"""Writes a replay as files: scores.csv, alerts.csv, report.json, report.html."""

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np

from services.churn_alerts.backtest.measure import iso
from services.churn_alerts.backtest.page import page
from services.churn_alerts.backtest.replay import Replay
from services.churn_alerts.backtest.summary import Summary
from services.churn_alerts.backtest.times import TimeForm
from services.churn_alerts.customer.history import History

_END_OF_DAY = {"date": "", "naive": " 23:59:59", "zoned": "T23:59:59Z"}


def write_files(folder: Path, history: History, replay: Replay, summary: Summary, time_form: TimeForm) -> list[Path]:
    """Write the four files into `folder`, made if needed, and return their paths.

    Decisions fall at the end of a UTC day; times are written in the form the orders have: a bare date means its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scored, alerts = replay.scored, replay.alerts
    paths = [folder / name for name in ("scores.csv", "alerts.csv", "report.json", "report.html")]
    ids = _fields(history.customer_ids)
    times = {day: iso(day) + _END_OF_DAY[time_form] for day in np.unique(np.append(scored.day, alerts.day)).tolist()}
    with paths[0].open("w", encoding="utf-8", newline="") as file:
        file.write("customer_id,alert_time,score,eligible\n")
        owners, eligible = history.customer[scored.row].tolist(), scored.is_eligible.tolist()
        rows = zip(owners, scored.day.tolist(), scored.p.tolist(), eligible, strict=True)
        file.writelines([f"{ids[owner]},{times[day]},{p:.6f},{passed:d}\n" for owner, day, p, passed in rows])
    with paths[1].open("w", encoding="utf-8", newline="") as file:
        file.write("customer_id,alert_time,score\n")
        raised = zip(history.customer[alerts.row].tolist(), alerts.day.tolist(), alerts.p.tolist(), strict=True)
        file.writelines([f"{ids[owner]},{times[day]},{p:.6f}\n" for owner, day, p in raised])
    paths[2].write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    paths[3].write_text(page(summary), encoding="utf-8")
    return paths


def _fields(ids: Sequence[str]) -> list[str]:
    """Return the ids as they stand in CSV, quoted where they must be: once each, not once a row."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    lengths = [writer.writerow((customer_id, "")) for customer_id in ids]
    written = text.getvalue()
    return [written[end - length : end - len(",\n")] for length, end in zip(lengths, accumulate(lengths), strict=True)]
