"""How good a model is on labelled texts: accuracy and macro-F1 by source, confusion, calibration; as table and page."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.backend import Backend
from services.sentiment.training.corpus import LABELS, NEUTRAL, LabelledText

_N_BINS: Final = 15
_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability by confidence bin: share of texts in the bin, mean confidence, accuracy."""

    shares: list[float]
    confidences: list[float]
    accuracies: list[float]

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy, weighted by share.

        Source: Guo et al. 2017, "On calibration of modern neural networks", 15 equal bins.
        """
        gaps = zip(self.shares, self.confidences, self.accuracies, strict=True)
        return sum(share * abs(confidence - accuracy) for share, confidence, accuracy in gaps)


@dataclass(frozen=True, slots=True)
class Report:
    """A source's figures. `confusion[true][judged]` counts texts, in the order negative, neutral, positive.

    On a source without neutral texts the figures compare positive with negative only, as its labels do;
    `strict_accuracy` counts a neutral judgement there as wrong.
    """

    source: str
    n_texts: int
    accuracy: float
    macro_f1: float
    strict_accuracy: float
    confusion: list[list[int]]
    calibration: Calibration


def judge(backend: Backend, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return probabilities, shape (texts, 3): negative, neutral, positive."""
    rows = [
        (sentiment.p_negative, sentiment.p_neutral, sentiment.p_positive)
        for first in range(0, len(texts), _BATCH)
        for sentiment in backend.analyse(texts[first : first + _BATCH])
    ]
    return np.array(rows).reshape(-1, 3)


def evaluate(backend: Backend, rows: Sequence[LabelledText]) -> list[Report]:
    """Return one report a source, in the order the sources come in the rows."""
    by_source: dict[str, list[LabelledText]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    return [
        report_of(source, np.array([row.label for row in some]), judge(backend, [row.text for row in some]))
        for source, some in by_source.items()
    ]


def report_of(source: str, labels: NDArray[np.intp], probabilities: NDArray[np.float64]) -> Report:
    """Return the figures of one source from true labels and probabilities of shape (texts, 3)."""
    strict = probabilities.argmax(axis=1)
    present = np.unique(labels)
    compared = probabilities.copy()
    if NEUTRAL not in present:
        compared[:, NEUTRAL] = 0
        compared /= np.maximum(compared.sum(axis=1, keepdims=True), 1e-9)
    judged = compared.argmax(axis=1)
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (labels, judged), 1)
    return Report(
        source=source,
        n_texts=len(labels),
        accuracy=float((judged == labels).mean()),
        macro_f1=float(np.mean([_f1(confusion, label) for label in present.tolist()])),
        strict_accuracy=float((strict == labels).mean()),
        confusion=confusion.tolist(),
        calibration=_calibration(labels, compared),
    )


def _f1(confusion: NDArray[np.int64], label: int) -> float:
    hits = float(confusion[label, label])
    total = float(confusion[label].sum() + confusion[:, label].sum())
    return 2 * hits / total if total else 0.0


def _calibration(labels: NDArray[np.intp], probabilities: NDArray[np.float64]) -> Calibration:
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _N_BINS).astype(int), _N_BINS - 1)
    shares, confidences, accuracies = [], [], []
    for number in range(_N_BINS):
        inside = bins == number
        if inside.any():
            shares.append(float(inside.mean()))
            confidences.append(float(confidence[inside].mean()))
            accuracies.append(float(is_right[inside].mean()))
    return Calibration(shares, confidences, accuracies)


def mean_of(reports: Sequence[Report]) -> tuple[float, float, float]:
    """Return accuracy, macro-F1 and calibration error, each the mean over sources."""
    return (
        float(np.mean([report.accuracy for report in reports])),
        float(np.mean([report.macro_f1 for report in reports])),
        float(np.mean([report.calibration.error for report in reports])),
    )


def as_table(reports: Sequence[Report]) -> str:
    """Return the figures as lines for a terminal."""
    lines = [f"{'source':16} {'texts':>7} {'accuracy':>9} {'macro-F1':>9} {'strict':>7} {'calibration':>12}"]
    lines += [
        f"{report.source:16} {report.n_texts:7} {report.accuracy:9.3f} {report.macro_f1:9.3f}"
        f" {report.strict_accuracy:7.3f} {report.calibration.error:12.3f}"
        for report in reports
    ]
    accuracy, macro_f1, error = mean_of(reports)
    total = sum(report.n_texts for report in reports)
    lines.append(f"{'mean':16} {total:7} {accuracy:9.3f} {macro_f1:9.3f} {'':7} {error:12.3f}")
    return "\n".join(lines)


def as_page(model_name: str, reports: Sequence[Report]) -> str:
    """Return a self-contained HTML page: the table, then a confusion matrix and a calibration plot for each source."""
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            f"<title>Sentiment model {html.escape(model_name)}</title><style>{_STYLE}</style>",
            f"<h1>Sentiment model {html.escape(model_name)}</h1>",
            f"<p>{_NOTE}</p>",
            f"<pre>{html.escape(as_table(reports))}</pre>",
            *(_section(report) for report in reports),
            "</html>",
        ]
    )


_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "td,th{padding:.3rem .8rem;text-align:right;border:1px solid #ccc}table{border-collapse:collapse}"
    "section{display:flex;gap:2rem;align-items:center;flex-wrap:wrap}pre{overflow-x:auto}"
)
_NOTE: Final = (
    "Sources without neutral texts are compared on positive and negative only;"
    " strict counts a neutral judgement there as wrong."
)
_PLOT: Final = 220


def _section(report: Report) -> str:
    head = "".join(f"<th>{name}" for name in ("true \\ judged", *LABELS))
    body = "".join(
        f"<tr><th>{LABELS[label]}" + "".join(f"<td>{count}" for count in counts)
        for label, counts in enumerate(report.confusion)
    )
    return (
        f"<h2>{html.escape(report.source)}</h2><section><table><tr>{head}{body}</table>"
        f"{_plot(report.calibration)}</section>"
    )


def _plot(calibration: Calibration) -> str:
    points = zip(calibration.confidences, calibration.accuracies, calibration.shares, strict=True)
    dots = "".join(_dot(*point) for point in points)
    label = f"confidence against accuracy; calibration error {calibration.error:.3f}"
    return (
        f'<svg width={_PLOT} height={_PLOT + 20} role=img aria-label="{label}">'
        f'<rect width={_PLOT} height={_PLOT} fill="none" stroke="#999"/>'
        f'<path d="M0 {_PLOT}L{_PLOT} 0" stroke="#bbb"/>{dots}'
        f"<text x=2 y={_PLOT + 15} font-size=12>{label.split('; ')[1]}</text></svg>"
    )


def _dot(confidence: float, accuracy: float, share: float) -> str:
    x, y, radius = confidence * _PLOT, (1 - accuracy) * _PLOT, 2 + 20 * share**0.5
    return f'<circle cx={x:.1f} cy={y:.1f} r={radius:.1f} fill="#2563eb" fill-opacity=".5"/>'


def probe_share(backend: Backend, texts: Iterable[str], label: str) -> float:
    """Return the share of probe sentences that get the wanted label."""
    judged = backend.analyse(list(texts))
    return sum(sentiment.label == label for sentiment in judged) / max(1, len(judged))
