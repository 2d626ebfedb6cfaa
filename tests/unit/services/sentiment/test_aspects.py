"""What cue words tell of unhappy texts, and the program that measures it."""

from pathlib import Path

import numpy as np
import pytest

from services.sentiment.interaction import aspects
from services.sentiment.interaction.cue_words import EN, ZH
from services.sentiment.interaction.features import Hasher
from services.sentiment.interaction.model import load_model
from services.sentiment.training.denials import denial_texts
from services.sentiment.training.evaluate_aspects import (
    PROBE,
    Counts,
    NegativeText,
    as_table,
    read,
    report_of,
    told_by_cues,
)
from services.sentiment.training.everyday import everyday_texts
from services.sentiment.training.phrases import written_texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("你们莫名其妙扣了我两次钱", {"billing"}),
        ("My subscription renewed without warning and I want my money back", {"billing", "after_sales"}),
        ("You took $39.99 from my card", {"billing"}),
        ("Great product, terrible support", {"attitude"}),
        ("找不到人工", {"waiting"}),
        ("I've been three weeks without a word", {"waiting"}),
        ("宽带一到晚上就掉线", {"function"}),
        ("It won’t start", {"function"}),
        ("Third time I'm contacting you. Please escalate.", {"urgent"}),
        ("The bottom line: a good screen", set()),
    ],
)
def test_everyday_complaints_are_told_for_what_they_are_about(text: str, said: set[str]) -> None:
    assert told_by_cues([text]) == [said]


@pytest.mark.parametrize(("words", "separator"), [(ZH, " "), (EN, "|")])
def test_every_cue_word_is_found_where_it_stands_alone(words: dict[str, str], separator: str) -> None:
    cues = list({cue for listed in words.values() for cue in listed.split(separator) if cue})
    batch = Hasher(load_model().characters).hash_batch(cues)

    found = aspects.words_by_text(batch, np.ones(len(cues), np.bool_))

    assert {cue: found.get(place) for place, cue in enumerate(cues) if found.get(place) != [cue]} == {}


@pytest.mark.parametrize(("language", "count"), [("zh", 259), ("en", 260)])
def test_no_text_of_the_aspects_probe_is_among_the_written_training_texts(language: str, count: int) -> None:
    probe = {letters(row.text) for row in read(PROBE / f"aspects.{language}.tsv")}
    written = {letters(row.text) for row in (*written_texts(), *everyday_texts(), *denial_texts())}

    # Counted, so that a failure shows no text of the probe.
    assert (len(probe), len(probe & written)) == (count, 0)


def letters(text: str) -> str:
    return "".join(one for one in text.lower() if one.isalnum())


@pytest.mark.parametrize("line", ["too slow", "too slow\twaiting\t2", "too slow\tslowness\t0"])
def test_a_line_of_another_form_or_with_an_unknown_aspect_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "aspects.en.tsv"
    file.write_text(f"fine\t-\t0\n{line}\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"aspects\.en\.tsv:2"):
        read(file)


def test_a_report_counts_what_was_told_by_aspect(tmp_path: Path) -> None:
    file = tmp_path / "aspects.en.tsv"
    file.write_text("one\twaiting, billing\t1\ntwo\t-\t0\nthree\twaiting\t0\n", encoding="utf-8")
    rows = read(file)

    report = report_of(rows, [frozenset({"waiting", "urgent"}), frozenset({"price"}), frozenset()])

    assert rows[0] == NegativeText("one", frozenset({"waiting", "billing", "urgent"}))
    assert report.by_aspect["waiting"] == Counts(told=1, true=2, both=1)
    assert report.urgent == Counts(told=1, true=1, both=1)
    assert (report.micro.precision, report.micro.recall) == (1 / 2, 1 / 3)
    assert report.macro_f1 == pytest.approx(2 / 3 / 8)
    assert "waiting                       2      1      1.000   0.500  0.667" in as_table("en", report)
