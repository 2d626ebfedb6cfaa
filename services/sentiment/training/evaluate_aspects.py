"""How well aspects and urgency are told of negative texts: by cue words alone, and through the whole model.

`python -m services.sentiment.training.evaluate_aspects [FOLDER]` prints it of `aspects.zh.tsv` and `aspects.en.tsv`, by
default the probe's: a text, its aspects with commas between them or `-`, and 1 where it is urgent or 0, with tabs
between. It prints figures alone, so that lists of cue words can be measured without a look at the texts.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.sentiment.interaction import aspects
from services.sentiment.interaction.backend import Backend
from services.sentiment.interaction.features import Hasher
from services.sentiment.interaction.model import load_model
from services.sentiment.interaction.score import Scorer
from shared.contracts.enriched import ASPECT_NAMES, AspectHit

PROBE: Final = Path(__file__).parent / "probe"
LANGUAGES: Final = ("zh", "en")
URGENT: Final = "urgent"
_Said = frozenset[str]
"""Aspects, and `URGENT`."""
_KNOWN: Final = frozenset((*ASPECT_NAMES, URGENT))
_NOBODYS_ASPECT: Final = "-"


@dataclass(frozen=True, slots=True)
class NegativeText:
    """A negative text and what a person says of it."""

    text: str
    said: _Said


@dataclass(frozen=True, slots=True)
class Counts:
    """How often something was told, was so, and both."""

    told: int
    true: int
    both: int

    @property
    def precision(self) -> float:
        """Return the share of what was told that is so; 1 where nothing was."""
        return self.both / self.told if self.told else 1.0

    @property
    def recall(self) -> float:
        """Return the share of what is so that was told; 1 where nothing is."""
        return self.both / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; 0 where nothing was told that is so."""
        return 2 * self.both / (self.told + self.true) if self.both else 0.0


@dataclass(frozen=True, slots=True)
class AspectReport:
    """Counts by aspect, in the order of the contract, and of urgency."""

    by_aspect: dict[str, Counts]
    urgent: Counts

    @property
    def micro(self) -> Counts:
        """Return the counts of all aspects together."""
        counts = self.by_aspect.values()
        return Counts(sum(one.told for one in counts), sum(one.true for one in counts), sum(one.both for one in counts))

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 of the aspects."""
        return float(np.mean([counts.f1 for counts in self.by_aspect.values()]))


def read(path: Path) -> list[NegativeText]:
    """Return the texts of a file as in the module's docstring.

    Raises:
        ValueError: a line has other than three columns, or an aspect that does not exist.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        columns = line.split("\t")
        if len(columns) != 3 or columns[2] not in ("0", "1"):
            raise ValueError(f"{path.name}:{number}: want a text, its aspects and 0 or 1, with tabs between")
        text, names, urgent = columns
        said = set() if names.strip() == _NOBODYS_ASPECT else {name.strip() for name in names.split(",")}
        if unknown := said - set(ASPECT_NAMES):
            raise ValueError(f"{path.name}:{number}: no such aspect: {', '.join(sorted(unknown))}")
        rows.append(NegativeText(text, frozenset(said | ({URGENT} if urgent == "1" else set()))))
    return rows


def told_by_cues(texts: Sequence[str]) -> list[_Said]:
    """Return what cue words alone tell, as if every text were judged negative."""
    batch = Hasher(load_model().characters).hash_batch(texts)
    words = aspects.words_by_text(batch, np.ones(len(texts), np.bool_))
    told = [aspects.told_by(tuple(words.get(text, ()))) for text in range(len(texts))]
    return [_said(one.aspects, one.urgency) for one in told]


def told_by_model(backend: Backend, texts: Sequence[str]) -> list[_Said]:
    """Return what a backend tells; of a text it does not judge negative, nothing."""
    return [_said(judged.aspects, judged.urgency) for judged in backend.analyse(texts)]


def _said(hits: Sequence[AspectHit], urgency: str) -> _Said:
    return frozenset([*(hit.aspect for hit in hits), *([URGENT] if urgency == "high" else [])])


def report_of(rows: Sequence[NegativeText], told: Sequence[_Said]) -> AspectReport:
    """Return the figures of texts from what was told of each."""
    counts = {name: _counts(name, [row.said for row in rows], told) for name in sorted(_KNOWN)}
    return AspectReport({name: counts[name] for name in ASPECT_NAMES}, counts[URGENT])


def _counts(name: str, true: Sequence[Collection[str]], told: Sequence[Collection[str]]) -> Counts:
    pairs = [(name in said, name in found) for said, found in zip(true, told, strict=True)]
    return Counts(
        told=sum(is_told for _, is_told in pairs),
        true=sum(is_true for is_true, _ in pairs),
        both=sum(is_true and is_told for is_true, is_told in pairs),
    )


def as_table(title: str, report: AspectReport) -> str:
    """Return the figures as lines for a terminal."""
    named = [*report.by_aspect.items(), ("all, micro", report.micro), (URGENT, report.urgent)]
    lines = [f"{title:24} {'texts':>6} {'told':>6} {'precision':>10} {'recall':>7} {'F1':>6}"]
    lines += [
        f"{name:24} {counts.true:6} {counts.told:6} {counts.precision:10.3f} {counts.recall:7.3f} {counts.f1:6.3f}"
        for name, counts in named
    ]
    lines.append(f"{'all, macro':24} {'':6} {'':6} {'':10} {'':7} {report.macro_f1:6.3f}")
    return "\n".join(lines)


def main(folder: Path) -> None:
    """Print the figures of both languages, by cue words alone and through the shipped model."""
    scorer = Scorer.load()
    for language in LANGUAGES:
        rows = read(folder / f"aspects.{language}.tsv")
        texts = [row.text for row in rows]
        print(as_table(f"{language}, cue words", report_of(rows, told_by_cues(texts))))
        print(as_table(f"{language}, whole model", report_of(rows, told_by_model(scorer, texts))))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROBE)
