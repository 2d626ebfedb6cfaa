"""Speed of judging texts of about 60 characters: Pulseline in batches of 500 and singly, beside peers in the same run.

Run in a virtual environment that has numpy, msgspec and whichever peers are wanted (vaderSentiment, snownlp, and
fastText from fasttext-wheel, trained on the spot with pairs of words and 4-letter parts):
`PYTHONPATH=. python bench/sentiment.py FOLDER`, FOLDER holding the corpora. Without it fastText, which needs labels, is
left out, and texts are put together from common words of complaints: nearly all are negative and full of cue words, so
that a batch costs twice as much as one of real texts; with FOLDER this is shown beside them.

A user's text was never seen before, and single texts are read with a memory of words: so no scorer judges a text twice.
Each round has a new scorer, without memory, which first reads other texts, as one that has run for a while has.
Processor time is reported, so other work on the machine shows as lost cache, not as lost time; the best of several
rounds counts.
"""

import gc
import importlib
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

from services.sentiment.interaction.score import Scorer
from services.sentiment.training.corpus import LabelledText, read_corpus

T = TypeVar("T")

BATCH = 500
ROUNDS = 12
N_SINGLE = 800
WORDS_ZH = ("客服", "态度", "物流", "太慢", "退款", "质量", "很好", "价格", "发货", "什么", "时候", "电话", "没有")
WORDS_EN = ("the", "order", "arrived", "late", "nobody", "answers", "calls", "please", "refund", "quality", "price")


def texts_of(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Return held-out texts of 52 to 68 characters."""
    return [row.text for name in names for row in read_corpus(folder, name, "heldout") if 52 <= len(row.text) <= 68]


def best_us(work: Callable[[], object], n_texts: int, rounds: int) -> float:
    """Return the least microseconds of processor time a text."""
    return min(_spent_s(work) for _ in range(rounds)) / n_texts * 1e6


def first_time_us(texts: Sequence[str], size: int) -> float:
    """Return the least microseconds a text of rounds in which a new scorer judges each text once, `size` at a time.

    The first batch is read before the clock starts.
    """
    times = []
    for _ in range(ROUNDS):
        scorer = Scorer.load()
        one_by_one(lambda text, scorer=scorer: scorer.analyse([text]), texts[:BATCH])
        scorer.analyse(texts[:BATCH])
        parts = [texts[start : start + size] for start in range(BATCH, len(texts) - size + 1, size)]
        times.append(_spent_s(partial(one_by_one, scorer.analyse, parts)) / (len(parts) * size))
    return min(times) * 1e6


def _spent_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def one_by_one(judge: Callable[[T], object], texts: Sequence[T]) -> None:
    """Judge texts singly, or batches one after the other."""
    for text in texts:
        judge(text)


def vader() -> Callable[[str], object]:
    analyser = importlib.import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
    return lambda text: analyser.polarity_scores(text)


def snownlp() -> Callable[[str], object]:
    snow = importlib.import_module("snownlp").SnowNLP
    return lambda text: snow(text).sentiments


def fast_text(rows: list[LabelledText]) -> Callable[[str], object]:
    """Return fastText's judgement after training on labelled texts; Chinese is given character by character."""
    library = importlib.import_module("fasttext")
    with NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as lines:
        for row in rows:
            lines.write(f"__label__{row.label} {_spaced(row.text)}\n")
        lines.flush()
        model = library.train_supervised(lines.name, epoch=3, dim=16, wordNgrams=2, minn=4, maxn=4, thread=1, verbose=0)
    # The Python wrapper's predict() fails with numpy 2; the call beneath it is what it makes.
    return lambda text: model.f.predict(_spaced(text) + "\n", 1, 0.0, "strict")


def _spaced(text: str) -> str:
    return re.sub("([\u3400-\u9fff])", r" \1 ", text.replace("\n", " "))


PEERS: dict[str, tuple[Callable[[], Callable[[str], object]], frozenset[str]]] = {
    "VADER": (vader, frozenset({"en", "mixed"})),
    "SnowNLP": (snownlp, frozenset({"zh"})),
}


def made_up(words: Sequence[str], separator: str) -> list[str]:
    """Return 2,000 texts of about 60 characters from common words."""
    chance = random.Random(7)
    n_words = round(60 / (len(separator) + sum(map(len, words)) / len(words)))
    return [separator.join(chance.choices(words, k=n_words)) for _ in range(2_000)]


def pulseline(name: str, texts: Sequence[str]) -> None:
    """Print Pulseline's cost in batches and singly."""
    print(f"{name:14} Pulseline batch  {first_time_us(texts, BATCH):8.1f} us a text, {len(texts):,} texts")
    print(f"{name:14} Pulseline single {first_time_us(texts[: BATCH + N_SINGLE], 1):8.1f}")


def interleaved(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return [text for pair in zip(first, second, strict=False) for text in pair]


def main(folder: Path | None) -> None:
    start = time.perf_counter()
    Scorer.load()
    print(f"load {time.perf_counter() - start:.3f} s")
    # As in the services.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    words = made_up(WORDS_EN, " "), made_up(WORDS_ZH, "")
    for name, texts in (("en", words[0]), ("mixed", interleaved(*words)), ("zh", words[1])):
        pulseline(f"made-up {name}", texts)
    if folder is None:
        return
    english = texts_of(folder, ("semeval", "vader_tweets", "sst", "cr"))
    chinese = texts_of(folder, ("shopping10", "ewect", "cped", "weibo", "hotel"))
    # Corpora come sorted by label or topic.
    random.Random(7).shuffle(english)
    random.Random(7).shuffle(chinese)
    for name, texts in (("en", english), ("mixed", interleaved(english, chinese)), ("zh", chinese)):
        pulseline(name, texts)
        batch = texts[:BATCH]
        for peer, (make, languages) in PEERS.items():
            if name not in languages:
                continue
            try:
                judge = make()
            except ImportError:
                print(f"{name:14} {peer}: not installed here")
                continue
            some = batch[:50] if peer == "SnowNLP" else batch
            print(f"{name:14} {peer:16} {best_us(partial(one_by_one, judge, some), len(some), 3):8.1f}")
        try:
            judge = fast_text(read_corpus(folder, "cr" if name == "en" else "weibo", "train"))
        except ImportError:
            print(f"{name:14} fastText: not installed here")
            continue
        print(f"{name:14} {'fastText':16} {best_us(partial(one_by_one, judge, batch), BATCH, 3):8.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
