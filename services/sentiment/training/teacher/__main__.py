"""Makes the files that training reads.

`python -m services.sentiment.training.teacher labels FOLDER` makes the soft labels (hours on a core without bfloat16,
half an hour with it), then `… words FOLDER JIEBA` the word prior from them (minutes). `… folds FOLDER JIEBA OUT` makes
both for every source left out, by teachers and priors that never saw a label of it, as long as the two together; with a
folder that holds a sample of each corpus, its share of that. `pulseline sentiment evaluate --leave-out --teachers OUT`
reads them.

FOLDER holds the public corpora; JIEBA is the source archive of jieba 0.42.1 (`pip download --no-binary :all: --no-deps
jieba==0.42.1`). Needs requirements/train.in in an environment of its own. Encoders compute in bfloat16 where the
processor does, so another one may differ in the last digit of a label or weight; training from the files is exact.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.features import Hasher
from services.sentiment.interaction.model import load_model
from services.sentiment.training import prior
from services.sentiment.training.corpus import CORPORA, LabelledText, fingerprint, read_corpora
from services.sentiment.training.fit import featurise
from services.sentiment.training.prior import TeacherFiles, WordPrior
from services.sentiment.training.teacher.encoders import E5, MultilingualUse
from services.sentiment.training.teacher.heads import Views, teacher_logits
from services.sentiment.training.teacher.words import WordViews
from services.sentiment.training.train import composed_texts, own_texts, targets_of, taught_rows
from shared.errors import Reject

_RARE: Final = 1e-6
_LOGITS_OF_LABEL: Final = np.array([3.0, 2.0], np.float32)
"""Of polarity and neutrality: a word prior is a first guess, and labels of one's own are many to a topic."""
_OWN_IMPORTANCE: Final = 2.0


def views_of(rows: list[LabelledText]) -> Views:
    """Return what both encoders see of the rows: this is what takes the time."""
    texts = [row.text for row in rows]
    return Views(E5().embed(texts), *MultilingualUse().embed(texts))


def word_views(corpora: list[LabelledText], jieba: Path) -> WordViews:
    """Return the vectors of all known words."""
    use = MultilingualUse()
    return WordViews(corpora, load_model().characters, jieba, lambda some: use.embed(some)[0], E5().embed)


def word_prior(words: WordViews, taught: list[LabelledText], soft: NDArray[np.float32]) -> WordPrior:
    """Return the words' weights, fitted to what the teacher says of taught rows and to the labels of our own texts.

    `soft` has the teacher's probabilities; a label says less surely what it says than the logistic loss would have it.
    """
    rows = [*taught, *own_texts()]
    targets = targets_of(rows, soft, softness=1.0)
    logits = np.log(np.maximum(targets.wanted, _RARE) / np.maximum(1 - targets.wanted, _RARE))
    importances = targets.importances.copy()
    own = slice(len(taught), None)
    logits[own] = (2 * targets.wanted[own] - 1) * _LOGITS_OF_LABEL
    importances[own] = _OWN_IMPORTANCE * (importances[own] > 0)
    texts = featurise([row.text for row in rows], Hasher(load_model().characters))
    return words.prior(texts, logits, importances)


def write_soft_labels(rows: list[LabelledText], views: Views, files: TeacherFiles) -> None:
    """Write the teacher's logits for rows; `views` has the composed texts, which it learns from, after them."""
    logits = teacher_logits([*rows, *composed_texts()], views)[: len(rows)]
    files.soft_labels.write_bytes(prior.dump_soft_labels(fingerprint(rows), logits))


def write_word_prior(words: WordViews, taught: list[LabelledText], files: TeacherFiles) -> None:
    """Write the word prior that the soft labels beside it give."""
    soft = prior.parse_soft_labels(files.soft_labels.read_bytes(), fingerprint(taught))
    if soft is None:
        raise Reject(f"{files.soft_labels} was made for other texts than those given here")
    files.word_prior.write_bytes(prior.dump_word_prior(word_prior(words, taught, soft)))


def write_folds(corpora: list[LabelledText], jieba: Path, out: Path) -> None:
    """Write soft labels and word prior for each source left out: embedded once, fitted anew for each.

    The vocabulary, and the axes of the words' vectors, come from the texts of all sources; no label does.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [*taught_rows(corpora), *composed_texts()]
    views, words = views_of(rows), word_views(corpora, jieba)
    for source in CORPORA:
        files = prior.files_without(source, out)
        kept = [number for number, row in enumerate(rows) if row.source != source]
        others = [rows[number] for number in kept if rows[number].source in CORPORA]
        write_soft_labels(others, views.at(np.array(kept)), files)
        write_word_prior(words, others, files)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["labels", folder]:
            texts = read_corpora(Path(folder), "train")
            taught = taught_rows(texts)
            write_soft_labels(taught, views_of([*taught, *composed_texts()]), prior.SHIPPED)
        case ["words", folder, jieba]:
            texts = read_corpora(Path(folder), "train")
            write_word_prior(word_views(texts, Path(jieba)), taught_rows(texts), prior.SHIPPED)
        case ["folds", folder, jieba, out]:
            write_folds(read_corpora(Path(folder), "train"), Path(jieba), Path(out))
        case _:
            sys.exit(__doc__)
