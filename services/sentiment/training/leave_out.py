"""What a model makes of sources it never saw: each left out of training in turn, and judged on its held-out texts.

This is the figure to choose a recipe by: a company's own texts are such a source.
"""

from collections.abc import Iterator
from pathlib import Path

from services.sentiment.interaction.model import load_model
from services.sentiment.interaction.score import Scorer
from services.sentiment.training import corpus, prior
from services.sentiment.training.evaluate import Report, evaluate
from services.sentiment.training.train import train_without


def left_out_reports(folder: Path, teachers: Path | None = None) -> Iterator[Report]:
    """Yield the report of every source, fitted without it, as soon as it is known.

    `teachers` holds the files that `python -m services.sentiment.training.teacher folds` makes; without it the students
    learn from labels alone. Raises Reject when they were made for other texts than the folder's.
    """
    corpora = corpus.read_corpora(folder, "train")
    characters = load_model().characters
    for source in corpus.CORPORA:
        teacher = None if teachers is None else prior.files_without(source, teachers)
        model = train_without(source, corpora, characters, teacher)
        yield from evaluate(Scorer(model), corpus.read_corpus(folder, source, "heldout"))
