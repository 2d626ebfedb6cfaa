"""Speed of judging texts of about 60 characters: Pulseline in batches of 500 and singly, beside peers in the same run.

Run in a virtual environment that has numpy, msgspec and whichever peers are wanted (vaderSentiment, snownlp, and
fastText from fasttext-wheel, trained on the spot with pairs of words and 4-letter parts):
`PYTHONPATH=. python bench/sentiment.py FOLDER`, FOLDER holding the corpora (without it, texts are put together from
common words, and fastText, which needs labels, is left out). Processor time is reported, so other work on the machine
shows as lost cache, not as lost time; the best of several rounds counts.
"""

import importlib
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

from services.sentiment.interaction.score import Scorer
from services.sentiment.training.corpus import LabelledText, read_corpus

BATCH = 500
ROUNDS = 60
N_SINGLE = 800
WORDS_ZH = ("客服", "态度", "物流", "太慢", "退款", "质量", "很好", "价格", "发货", "什么", "时候", "电话", "没有")
WORDS_EN = ("the", "order", "arrived", "late", "nobody", "answers", "calls", "please", "refund", "quality", "price")


def texts_of(folder: Path, names: tuple[str, ...]) -> list[str]:
    """Return held-out texts of 52 to 68 characters."""
    return [row.text for name in names for row in read_corpus(folder, name, "heldout") if 52 <= len(row.text) <= 68]


def best_us(work: Callable[[], object], n_texts: int, rounds: int = ROUNDS) -> float:
    """Return the least microseconds of processor time a text."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / n_texts * 1e6


def one_by_one(judge: Callable[[str], object], texts: list[str]) -> None:
    """Judge texts singly."""
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


def main(folder: Path | None) -> None:
    start = time.perf_counter()
    scorer = Scorer.load()
    print(f"load {time.perf_counter() - start:.3f} s")
    if folder is None:
        english, chinese = made_up(WORDS_EN, " "), made_up(WORDS_ZH, "")
    else:
        english = texts_of(folder, ("semeval", "vader_tweets", "sst", "cr"))
        chinese = texts_of(folder, ("shopping10", "ewect", "cped"))
        # Corpora come sorted by label or topic.
        random.Random(7).shuffle(english)
        random.Random(7).shuffle(chinese)
    mixed = [text for pair in zip(english, chinese, strict=False) for text in pair]
    for name, texts in (("en", english), ("mixed", mixed), ("zh", chinese)):
        batch, singles = texts[:BATCH], texts[BATCH : BATCH + N_SINGLE]
        print(f"{name:6} Pulseline batch  {best_us(partial(scorer.analyse, batch), BATCH):8.1f} us a text")
        single = best_us(partial(one_by_one, lambda text: scorer.analyse([text]), singles), len(singles), 3)
        print(f"{name:6} Pulseline single {single:8.1f}")
        for peer, (make, languages) in PEERS.items():
            if name not in languages:
                continue
            try:
                judge = make()
            except ImportError:
                print(f"{name:6} {peer}: not installed here")
                continue
            some = texts[:50] if peer == "SnowNLP" else batch
            print(f"{name:6} {peer:16} {best_us(partial(one_by_one, judge, some), len(some), 3):8.1f}")
        if folder is None:
            continue
        try:
            judge = fast_text(read_corpus(folder, "cr" if name == "en" else "weibo", "train"))
        except ImportError:
            print(f"{name:6} fastText: not installed here")
            continue
        print(f"{name:6} {'fastText':16} {best_us(partial(one_by_one, judge, batch), BATCH, 3):8.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
