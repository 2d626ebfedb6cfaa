"""Speed of judging texts of about 60 characters: Pulseline in batches of 500 and singly, beside peers in the same run.

Run in a virtual environment that has numpy, msgspec and whichever peers are wanted (vaderSentiment, snownlp):
`PYTHONPATH=. python bench/sentiment.py FOLDER`, FOLDER holding the corpora. Processor time is reported, so other work
on the machine shows as lost cache, not as lost time; the best of several rounds counts.
"""

import importlib
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from services.sentiment.interaction.score import Scorer
from services.sentiment.training.corpus import read_corpus

BATCH = 500
ROUNDS = 12
N_SINGLE = 1_000


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


PEERS: dict[str, tuple[Callable[[], Callable[[str], object]], frozenset[str]]] = {
    "VADER": (vader, frozenset({"en", "mixed"})),
    "SnowNLP": (snownlp, frozenset({"zh"})),
}


def main(folder: Path) -> None:
    start = time.perf_counter()
    scorer = Scorer.load()
    print(f"load {time.perf_counter() - start:.3f} s")
    english = texts_of(folder, ("semeval", "vader_tweets", "sst", "cr"))
    chinese = texts_of(folder, ("shopping10", "ewect", "cped"))
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
