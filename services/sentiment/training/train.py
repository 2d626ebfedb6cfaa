"""Trains the shipped model from the public corpora, or adapts it to a company's own labelled texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction import model as models
from services.sentiment.interaction.features import N_BUCKETS, Hasher
from services.sentiment.interaction.model import LinearModel
from services.sentiment.training import corpus, denials, everyday, phrases, prior
from services.sentiment.training.clauses import clauses_of
from services.sentiment.training.corpus import NEUTRAL, POSITIVE, UNLABELLED, LabelledText
from services.sentiment.training.denials import denial_texts
from services.sentiment.training.everyday import everyday_texts
from services.sentiment.training.fit import Features, FitSettings, featurise, fit_heads
from services.sentiment.training.phrases import written_texts
from services.sentiment.training.prior import TeacherFiles, WordPrior
from shared.errors import Reject

_SOFTNESS: Final = 0.15
"""Share of the teacher in a target; the rest is the label. Source: search of 2026-11-29, docs/sentiment.md."""
_TEACHER_ALONE: Final = 1.0
_TYPICAL_SOURCE: Final = 15_000
_MOST_IMPORTANT: Final = 3.0
_PRUNE_BELOW: Final = 0.03
"""A fifth of the smallest steps: five times as much kept the artefact .5 MB smaller and cost .2 points in-domain."""
_SCALE_QUANTILE: Final = 0.9999
"""int8 scaled at the very largest weight costs accuracy everywhere else; measured 2026-11-22."""
_WRITTEN_IMPORTANCES: Final = dict.fromkeys((*phrases.SOURCES, *denials.SOURCES), 2.0) | dict.fromkeys(
    everyday.SOURCES, 1.0
)
_POLARITY_SHARPNESS: Final = 1.1
_NEUTRALITY_SHARPNESS: Final = 0.8
_NEUTRALITY_SHIFT: Final = -0.1
"""Each head's logit is multiplied by its sharpness, and neutrality's moved by its shift, so that a model is as sure as
it is right, on sources left out and on known ones. Chosen on both, 2026-11-30, docs/sentiment.md."""
_UNLABELLED_IMPORTANCE: Final = 0.6
"""How much a head learns from the teacher alone where labels say nothing: neutrality on two-class corpora, polarity on
neutral texts. Source: as above."""
_CLAUSE_IMPORTANCE: Final = 1.0
"""What a clause that only the teacher has judged counts, against a labelled text of its source. Source: as above."""
_OWN_IMPORTANCE: Final = 2.0
_SEEDS: Final = (1, 2, 3)
_SETTINGS: Final = FitSettings(seeds=_SEEDS)
_AFTER_TEACHER: Final = FitSettings(n_epochs=3, rate=0.5, seeds=_SEEDS)
"""Weights that the teacher alone has fitted are corrected by labels, not learned anew."""
_KEPT_OF_CORRECTION: Final = 0.8
"""What labels correct is kept to this share: less judges sources left out better (best at .5) and known ones worse."""
_OWN_SETTINGS: Final = FitSettings(n_epochs=5, rate=0.1, rate_decay=1.0, first_square=1e-6, dropout=0.2)
"""A few corrections have to show, so that their features take whole steps."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Wanted probabilities and importances, both of shape (texts, 2): polarity, neutrality."""

    wanted: NDArray[np.float32]
    importances: NDArray[np.float32]


def targets_of(rows: Sequence[LabelledText], soft: NDArray[np.float32] | None, softness: float = _SOFTNESS) -> Targets:
    """Return what the heads should learn from labelled rows and, where known, the teacher's probabilities.

    `soft` has a row for each of the first texts; those after it go by their label alone.
    Polarity learns from non-neutral texts, neutrality from sources that know neutral at all; a small source counts
    more than its size, up to three times.
    """
    labels = np.array([row.label for row in rows])
    sources = np.array([row.source for row in rows])
    is_labelled = labels != UNLABELLED
    wanted = np.stack([labels == POSITIVE, labels == NEUTRAL], axis=1).astype(np.float32)
    taught = np.zeros((len(rows), 2), np.float32)
    has_teacher = np.zeros(len(rows), np.bool_)
    if soft is not None:
        known = len(soft)
        taught[:known], has_teacher[:known] = soft, True
        wanted[:known] = np.float32(softness) * soft + np.float32(1 - softness) * wanted[:known]
    importances = np.zeros((len(rows), 2), np.float32)
    for source in np.unique(sources):
        labelled = (sources == source) & is_labelled
        by_size = min(_MOST_IMPORTANT, (_TYPICAL_SOURCE / max(1, int(labelled.sum()))) ** 0.25)
        importance = _WRITTEN_IMPORTANCES.get(source, by_size)
        importances[labelled, 0] = importance * (labels[labelled] != NEUTRAL)
        importances[labelled, 1] = importance * bool((labels[labelled] == NEUTRAL).any())
        for counted, share in ((labelled, _UNLABELLED_IMPORTANCE), (~is_labelled, _CLAUSE_IMPORTANCE)):
            from_teacher = (importances == 0) & (counted & has_teacher & (sources == source))[:, None]
            importances[from_teacher] = importance * share
            wanted[from_teacher] = taught[from_teacher]
    return Targets(wanted, importances)


def train(corpora: Sequence[LabelledText], characters: NDArray[np.uint32]) -> LinearModel:
    """Return the model fitted to the public corpora, their clauses and the written texts.

    The teacher's soft labels, and with them the texts that have no others, take part only when they were made for
    exactly these corpora.
    """
    rows = taught_rows(corpora)
    soft = prior.parse_soft_labels(prior.SHIPPED.soft_labels.read_bytes(), corpus.fingerprint(rows))
    words = prior.parse_word_prior(prior.SHIPPED.word_prior.read_bytes())
    return _fitted(corpora if soft is None else rows, soft, words, characters)


def train_without(
    source: str,
    corpora: Sequence[LabelledText],
    characters: NDArray[np.uint32],
    teacher: TeacherFiles | None = None,
) -> LinearModel:
    """Return the model as `train` would fit it had the source never been known.

    The shipped teacher did see every source, so it has no part: without the files of one that did not, labels alone
    are learned, and no word prior. Raises Reject when the files were made for other texts.
    """
    rows = taught_rows(corpora, without=source)
    if teacher is None:
        labelled = [row for row in rows if row.label != UNLABELLED]
        return _fitted(labelled, None, prior.NO_WORDS, characters)
    soft = prior.parse_soft_labels(teacher.soft_labels.read_bytes(), corpus.fingerprint(rows))
    if soft is None:
        raise Reject(f"{teacher.soft_labels} was made for other texts than those given here")
    words = prior.parse_word_prior(teacher.word_prior.read_bytes())
    return _fitted(rows, soft, words, characters)


def taught_rows(corpora: Sequence[LabelledText], without: str | None = None) -> list[LabelledText]:
    """Return all that a teacher labels, in its order: corpora and their clauses; less one source."""
    return [row for row in (*corpora, *clauses_of(corpora)) if row.source != without]


def composed_texts() -> list[LabelledText]:
    """Return the texts that were composed one by one, in their order: teachers learn from them beside the corpora."""
    return [*everyday_texts(), *denial_texts()]


def own_texts() -> list[LabelledText]:
    """Return all texts of this project, in their order: those put together from parts first."""
    return [*written_texts(), *composed_texts()]


def _fitted(
    taught: Sequence[LabelledText], soft: NDArray[np.float32] | None, words: WordPrior, characters: NDArray[np.uint32]
) -> LinearModel:
    """Return the words' weights corrected by taught and written texts: first by the teacher alone, then by labels."""
    rows = [*taught, *own_texts()]
    features = featurise([row.text for row in rows], Hasher(characters))
    table, biases, settings, kept = words.table(N_BUCKETS), words.biases, _SETTINGS, 1.0
    if soft is not None:
        lessons = targets_of(taught, soft, _TEACHER_ALONE)
        table, biases = _fitted_further(features.first(len(taught)), lessons, table, biases, settings)
        settings, kept = _AFTER_TEACHER, _KEPT_OF_CORRECTION
    table, biases = _fitted_further(features, targets_of(rows, soft), table, biases, settings, kept)
    return _calibrated(quantised(table, biases, characters))


def _calibrated(model: LinearModel) -> LinearModel:
    """Return the model surer of polarity, less of neutrality, and neutral more rarely; all weights are kept."""
    polarity, neutrality = model.scales
    scales = polarity * _POLARITY_SHARPNESS, neutrality * _NEUTRALITY_SHARPNESS
    biases = model.biases.copy()
    biases[:, models.POLARITY] *= _POLARITY_SHARPNESS
    biases[:, models.NEUTRALITY] = biases[:, models.NEUTRALITY] * _NEUTRALITY_SHARPNESS + _NEUTRALITY_SHIFT
    return replace(model, name=models.fingerprint(model.weights, biases), scales=scales, biases=biases)


def _fitted_further(
    features: Features,
    targets: Targets,
    table: NDArray[np.float32],
    biases: NDArray[np.float64],
    settings: FitSettings,
    kept: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return weights and biases corrected by a share of what targets say that they leave unexplained."""
    offsets = _logits(features, table) + biases[features.is_zh].astype(np.float32)
    weights, more = fit_heads(features, targets.wanted, targets.importances, offsets, settings)
    return table + np.float32(kept) * weights, biases + kept * more


def adapt(base: LinearModel, rows: Sequence[LabelledText]) -> LinearModel:
    """Return the base model corrected by a company's own labelled texts and its agents' corrections."""
    hasher = Hasher(base.characters)
    features = featurise([row.text for row in rows], hasher)
    table = base.weights.T.astype(np.float32) * np.array(base.scales, np.float32)
    by_language = base.biases[[1, 0]]
    targets = targets_of(rows, None)
    importances = np.full_like(targets.importances, _OWN_IMPORTANCE)
    importances[targets.importances == 0] = 0
    wanted = Targets(targets.wanted, importances)
    return quantised(*_fitted_further(features, wanted, table, by_language, _OWN_SETTINGS), base.characters)


def quantised(weights: NDArray[np.float32], biases: NDArray[np.float64], characters: NDArray[np.uint32]) -> LinearModel:
    """Return the model with weights (N_BUCKETS, 2) as int8; `biases` has the rows not zh, zh."""
    kept = np.where(np.abs(weights) < _PRUNE_BELOW, np.float32(0), weights)
    scales: list[float] = []
    steps = np.zeros((2, N_BUCKETS), np.int8)
    for head in (models.POLARITY, models.NEUTRALITY):
        present = np.abs(kept[:, head][kept[:, head] != 0])
        scale = float(np.quantile(present, _SCALE_QUANTILE)) / 127 if len(present) else 1.0
        scales.append(scale)
        steps[head] = np.clip(np.rint(kept[:, head] / scale), -127, 127)
    by_language = np.stack([biases[1], biases[0], biases[0]])
    return LinearModel(models.fingerprint(steps, by_language), steps, (scales[0], scales[1]), by_language, characters)


def _logits(features: Features, table: NDArray[np.float32]) -> NDArray[np.float32]:
    counts = np.diff(features.starts)
    row_of = np.repeat(np.arange(len(features)), counts)
    polarities = table[features.buckets, models.POLARITY] * features.shares
    neutralities = table[features.buckets, models.NEUTRALITY]
    sums = [np.bincount(row_of, weights, minlength=len(features)) for weights in (polarities, neutralities)]
    return (np.stack(sums, axis=1) / np.sqrt(np.maximum(counts, 1))[:, None]).astype(np.float32)


def write_artefact(model: LinearModel, path: Path) -> int:
    """Write the model to a file and return its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = models.dump_model(model)
    path.write_bytes(raw)
    return len(raw)
