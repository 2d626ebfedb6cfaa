"""`python -m services.sentiment.training.teacher FOLDER JIEBA`: makes the two files that training reads.

FOLDER holds the public corpora; JIEBA is the source archive of jieba 0.42.1 (`pip download --no-binary :all: --no-deps
jieba==0.42.1`). Needs requirements/train.in in an environment of its own; half an hour on one core. Encoders compute in
bfloat16, so another processor may differ in the last digit of a soft label; training from the files is exact.
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


def main(folder: Path, jieba: Path) -> None:
    corpora = read_corpora(folder, "train")
    clauses = clauses_of(corpora)
    rows = [*corpora, *clauses]
    characters = load_model().characters
    e5 = E5()
    logits = soft_labels(corpora, clauses, e5)
    prior.SOFT_LABELS.write_bytes(prior.dump_soft_labels(fingerprint(rows), logits))
    every = [*rows, *written_texts()]
    soft = prior.parse_soft_labels(prior.SOFT_LABELS.read_bytes(), fingerprint(rows))
    targets = targets_of(every, soft)
    texts = featurise([row.text for row in every], Hasher(characters))
    words = WordViews(corpora, characters, jieba, e5.embed).prior(texts, targets.wanted, targets.importances)
    prior.WORD_PRIOR.write_bytes(prior.dump_word_prior(words))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
