"""Makes the two files that training reads.

`python -m services.sentiment.training.teacher labels FOLDER` makes the soft labels (hours on a core without bfloat16,
half an hour with it), `… words FOLDER JIEBA` the word prior (minutes). FOLDER holds the public corpora; JIEBA is the
source archive of jieba 0.42.1 (`pip download --no-binary :all: --no-deps jieba==0.42.1`). Needs requirements/train.in
in an environment of its own. Encoders compute in bfloat16 where the processor does, so another one may differ in the
last digit of a label or weight; training from the files is exact.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.features import Hasher
from services.sentiment.interaction.model import load_model
from services.sentiment.training import prior
from services.sentiment.training.clauses import clauses_of
from services.sentiment.training.corpus import ENGLISH_CORPORA, LabelledText, fingerprint, read_corpora
from services.sentiment.training.fit import featurise
from services.sentiment.training.phrases import written_texts
from services.sentiment.training.teacher.encoders import E5, MultilingualUse
from services.sentiment.training.teacher.heads import Vectors, logistic, normalised, ridge, with_language
from services.sentiment.training.teacher.words import WordViews
from services.sentiment.training.train import targets_of


def soft_labels(corpora: list[LabelledText], clauses: list[LabelledText], e5: E5) -> Vectors:
    """Return the teacher's two logits for every text and clause: the mean of two ridges and a logistic regression."""
    use = MultilingualUse()
    texts, others = [row.text for row in corpora], [row.text for row in clauses]
    of_texts, of_others = e5.embed(texts), e5.embed(others)
    inner, outer = use.embed(texts)
    inner_others, outer_others = use.embed(others)
    targets = targets_of(corpora, None)
    wanted, importances = targets.wanted, targets.importances
    is_zh, others_zh = _is_zh(corpora), _is_zh(clauses)

    def joined(view: Vectors, view_of_others: Vectors) -> tuple[Vectors, Vectors]:
        first = np.concatenate([normalised(of_texts), normalised(view)], axis=1)
        second = np.concatenate([normalised(of_others, of_texts), normalised(view_of_others, view)], axis=1)
        return with_language(first, is_zh), with_language(second, others_zh)

    with_inner, with_outer = joined(inner, inner_others), joined(outer, outer_others)
    heads = [
        logistic(with_inner[0], wanted, importances, with_inner[1]),
        ridge(with_inner[0], wanted, importances, with_inner[1]),
        ridge(with_outer[0], wanted, importances, with_outer[1]),
    ]
    logits: Vectors = np.mean([np.concatenate(head) for head in heads], axis=0)
    return logits


def _is_zh(rows: list[LabelledText]) -> NDArray[np.bool_]:
    return np.array([row.source not in ENGLISH_CORPORA for row in rows])


def write_soft_labels(folder: Path) -> None:
    """Write the teacher's logits for the corpora in a folder and for their clauses."""
    corpora = read_corpora(folder, "train")
    clauses = clauses_of(corpora)
    logits = soft_labels(corpora, clauses, E5())
    prior.SOFT_LABELS.write_bytes(prior.dump_soft_labels(fingerprint([*corpora, *clauses]), logits))


def write_word_prior(folder: Path, jieba: Path) -> None:
    """Write the words' weights, fitted to the labels of the corpora and of the written texts."""
    corpora = read_corpora(folder, "train")
    rows = [*corpora, *written_texts()]
    characters = load_model().characters
    targets = targets_of(rows, None)
    texts = featurise([row.text for row in rows], Hasher(characters))
    use = MultilingualUse()
    words = WordViews(corpora, characters, jieba, lambda some: use.embed(some)[0], E5().embed)
    fitted = words.prior(texts, targets.wanted, targets.importances)
    prior.WORD_PRIOR.write_bytes(prior.dump_word_prior(fitted))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["labels", folder]:
            write_soft_labels(Path(folder))
        case ["words", folder, jieba]:
            write_word_prior(Path(folder), Path(jieba))
        case _:
            sys.exit(__doc__)
