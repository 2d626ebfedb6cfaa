import collections
import gzip
import itertools
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from services.api.interaction import schemas
from services.cli.sentiment import app
from services.sentiment.interaction.features import Hasher, bucket_of, han_hash, pair_hash, word_hash
from services.sentiment.interaction.model import load_model
from services.sentiment.interaction.score import Scorer
from services.sentiment.training import corpus, prior, train
from services.sentiment.training.clauses import clauses_of
from services.sentiment.training.corpus import LABELS, UNLABELLED, LabelledText, fingerprint, read_own
from services.sentiment.training.denials import denial_texts
from services.sentiment.training.evaluate import as_page, as_table, evaluate, report_of
from services.sentiment.training.everyday import everyday_texts
from services.sentiment.training.fit import FitSettings, featurise, fit_heads
from services.sentiment.training.leave_out import left_out_reports
from services.sentiment.training.phrases import written_texts
from services.sentiment.training.teacher.heads import Views, teacher_logits
from services.sentiment.training.teacher.words import WordVectors, fit_words
from shared.errors import Reject
from tests.shared_data import shared_data_dir

PROBE = Path(train.__file__).parent / "probe"


def letters(text: str) -> str:
    return "".join(one for one in text.lower() if one.isalnum())


def test_no_probe_sentence_is_among_the_written_training_texts() -> None:
    probe = {letters(line) for file in PROBE.glob("*.txt") for line in file.read_text(encoding="utf-8").splitlines()}

    assert len(probe) == 978
    assert probe.isdisjoint(letters(row.text) for row in (*written_texts(), *everyday_texts(), *denial_texts()))


def test_no_everyday_text_and_no_denial_is_a_held_out_text_of_a_corpus() -> None:
    held_out = {letters(row.text) for row in corpus.read_corpora(shared_data_dir() / "sentiment", "heldout")}
    ours = (*everyday_texts(), *denial_texts())

    assert len(held_out) > 40_000
    assert held_out.isdisjoint(letters(row.text) for row in ours if letters(row.text))


def test_no_denial_is_given_twice_and_every_label_has_some() -> None:
    rows = denial_texts()

    assert len({letters(row.text) for row in rows}) == len(rows) > 2_900
    assert {(row.source, row.label) for row in rows} == set(itertools.product(("denials.en", "denials.zh"), range(3)))


def test_no_everyday_text_is_given_twice_and_labels_are_about_equally_frequent() -> None:
    rows = everyday_texts()

    assert len({letters(row.text) or row.text for row in rows}) == len(rows) > 10_000
    counts = collections.Counter((row.source, row.label) for row in rows)
    assert len(counts) == 6
    for source in ("everyday.en", "everyday.zh"):
        of_source = [counts[source, label] for label in range(3)]
        assert min(of_source) > 0.85 * max(of_source)


def test_everyday_texts_are_learned_from_without_a_teacher() -> None:
    rows = [LabelledText("good", 2, "cr"), LabelledText("meh", 1, "everyday.en"), LabelledText("bad", 0, "everyday.en")]

    targets = train.targets_of(rows, np.array([[0.5, 0.5]], np.float32))

    assert targets.wanted[1:].tolist() == [[0, 1], [0, 0]]
    assert (targets.importances[1:] > 0).tolist() == [[False, True], [True, True]]


def test_written_texts_are_the_same_every_time() -> None:
    assert written_texts() == written_texts()


def test_some_requests_end_in_a_courtesy_and_no_complaint_gets_one() -> None:
    closed = [row for row in written_texts() if row.text.endswith(("，麻烦了", "麻烦您了", "thanks in advance"))]

    assert len(closed) > 100
    assert {row.label for row in closed} == {1}


def test_a_word_learns_more_than_the_pair_it_stands_in() -> None:
    hasher = Hasher(load_model().characters)
    features = featurise(["xxq zzk", "vvj zzk"], hasher)
    targets = np.array([[1, 0], [0, 0]], np.float32)

    weights, _ = fit_heads(features, targets, np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32))

    word = bucket_of("word", word_hash("xxq"))
    pair = bucket_of("pair", pair_hash(word_hash("xxq"), word_hash("zzk")))
    assert weights[word, 0] > weights[pair, 0] > 0


def test_a_turned_word_learns_the_other_way() -> None:
    features = featurise(["xxq", "never xxq"], Hasher(load_model().characters))
    xxq = bucket_of("word", word_hash("xxq"))

    weights, _ = fit_heads(
        features, np.array([[0.5, 0], [1, 0]], np.float32), np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    )

    assert weights[xxq, 0] < 0


def test_several_seeds_give_the_mean_of_their_fits() -> None:
    features = featurise(["xxq zzk vvj", "vvj zzk", "xxq"], Hasher(load_model().characters))
    targets, ones, none = (np.full((3, 2), value, np.float32) for value in (0.9, 1, 0))

    one, two, both = (
        fit_heads(features, targets, ones, none, FitSettings(seeds=seeds)) for seeds in ((1,), (2,), (1, 2))
    )

    assert not np.array_equal(one[0], two[0])
    assert np.allclose(both[0], (one[0] + two[0]) / 2, atol=1e-6)
    assert np.allclose(both[1], (one[1] + two[1]) / 2)


def test_own_rows_are_read_from_json_lines_and_tables(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine", "label": "pos"}\n\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text('text,label\n"bad, very",negative\n', encoding="utf-8")

    rows = read_own(tmp_path / "a.jsonl") + read_own(tmp_path / "b.csv")

    assert rows == [LabelledText("fine", 2, "own"), LabelledText("bad, very", 0, "own")]


def test_corrections_are_read_as_the_api_exports_them(tmp_path: Path) -> None:
    correction = schemas.LabelledText(
        source="chat", event_id="e1", customer_id="c1", label="negative", aspects=["waiting"], is_complaint=None,
        labelled_by="ann", labelled_at=datetime(2026, 3, 2, tzinfo=UTC), text="等了三天", language="zh",
        model_label="neutral",
    )  # fmt: skip
    without_text = msgspec.structs.replace(correction, text="")
    (tmp_path / "export.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, (correction, without_text))))

    assert read_own(tmp_path / "export.jsonl") == [LabelledText("等了三天", 0, "chat")]


def test_clauses_are_short_new_and_the_same_every_time() -> None:
    rows = [
        LabelledText("房间很小，但是早餐非常好吃，房间很小，下次还会来", 2, "hotel"),
        LabelledText("好", 2, "hotel"),
    ]

    clauses = clauses_of(rows)

    assert clauses == clauses_of(rows)
    assert {(row.label, row.source) for row in clauses} == {(UNLABELLED, "hotel")}
    assert {row.text for row in clauses} < {"房间很小", "但是早餐非常好吃", "下次还会来"}


def test_a_clause_goes_by_its_teacher_alone() -> None:
    rows = [LabelledText("good", 2, "cr"), LabelledText("so so", 1, "sst"), LabelledText("part", UNLABELLED, "cr")]
    soft = np.array([[0.5, 0.5], [0.5, 0.5], [0.2, 0.1]], np.float32)

    targets = train.targets_of(rows, soft)

    assert targets.wanted[2].tolist() == pytest.approx([0.2, 0.1])
    assert (targets.importances[2] > 0).all()
    assert (targets.wanted[0] > 0.5)[0]


def few(source: str, positive: str, negative: str) -> list[LabelledText]:
    return [
        LabelledText(f"{word} {n}", label, source) for n in "abcdefgh" for word, label in ((positive, 2), (negative, 0))
    ]


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit learns from the corpora and a few written texts alone: the others take most of a minute."""
    for own in ("everyday_texts", "denial_texts"):
        monkeypatch.setattr(train, own, list)


CORPORA_OF_TWO = [*few("cr", "xylo", "quib"), *few("sst", "good", "awful"), LabelledText("the wug", 1, "sst")]


@pytest.mark.usefixtures("few_texts")
def test_a_model_without_a_source_learns_nothing_of_it() -> None:
    characters = load_model().characters

    without = train.train_without("cr", CORPORA_OF_TWO, characters)
    others = [row for row in CORPORA_OF_TWO if row.source != "cr"]

    assert np.array_equal(without.weights, train.train_without("cr", others, characters).weights)
    word = bucket_of("word", word_hash("xylo"))
    assert without.weights[0, word] == 0
    assert train.train_without("sst", CORPORA_OF_TWO, characters).weights[0, word] > 0


@pytest.mark.usefixtures("few_texts")
def test_each_source_is_judged_by_a_model_fitted_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "CORPORA", ("cr", "sst"))
    for source, (positive, negative) in {"cr": ("xylo", "quib"), "sst": ("quib", "xylo")}.items():
        lines = [f"{row.text}\t{LABELS[row.label]}\t-" for row in few(source, positive, negative)]
        for part in ("train", "heldout"):
            (tmp_path / f"{source}.{part}.tsv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))

    reports = list(left_out_reports(tmp_path))

    assert [(report.source, report.accuracy) for report in reports] == [("cr", 0.0), ("sst", 0.0)]


def test_leaving_out_takes_no_model(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["evaluate", "--leave-out", "--data", str(tmp_path), "--model", "m.bin"])

    assert told.exit_code == 2
    assert "--leave-out" in told.output


@pytest.mark.usefixtures("few_texts")
def test_a_teacher_that_never_saw_the_source_takes_part(tmp_path: Path) -> None:
    characters = load_model().characters
    files = prior.files_without("cr", tmp_path)
    rows = train.taught_rows(CORPORA_OF_TWO, without="cr")
    wug = bucket_of("word", word_hash("wug"))
    logits = np.array([[3.0, -3.0] if "wug" in row.text else [0.0, 0.0] for row in rows], np.float32)
    files.soft_labels.write_bytes(prior.dump_soft_labels(fingerprint(rows), logits))
    words = prior.WordPrior(np.array([9]), np.array([[2.0, 0.0]], np.float32), np.zeros((2, 2)))
    files.word_prior.write_bytes(prior.dump_word_prior(words))

    model = train.train_without("cr", CORPORA_OF_TWO, characters, files)

    assert model.weights[0, wug] > 0
    assert model.weights[0, 9] > 0


def test_a_teacher_of_other_texts_is_refused(tmp_path: Path) -> None:
    files = prior.files_without("cr", tmp_path)
    files.soft_labels.write_bytes(prior.dump_soft_labels("of others", np.zeros((1, 2), np.float32)))

    with pytest.raises(Reject, match="made for other texts"):
        train.train_without("cr", CORPORA_OF_TWO, load_model().characters, files)


def test_the_teacher_judges_clauses_by_what_it_learned_from_labels() -> None:
    chance = np.random.default_rng(1)
    rows = [LabelledText("", label, "sst") for label in (0, 2, 0, 2, 1) * 80] + [
        LabelledText("", UNLABELLED, "sst")
    ] * 2
    seen = chance.normal(size=(len(rows), 8)).astype(np.float32)
    seen[:400, 0] += [{0: -9, 1: 0, 2: 9}[row.label] for row in rows[:400]]
    seen[:400, 1] += [9 * (row.label == 1) for row in rows[:400]]
    seen[400:, :2] = [[9, 0], [0, 9]]

    logits = teacher_logits(rows, Views(seen, seen, seen))

    assert logits[400, 0] > 1 > -1 > logits[400, 1]
    assert logits[401, 1] > 1


def test_the_teacher_knows_what_no_line_parts() -> None:
    chance = np.random.default_rng(1)
    seen = chance.choice(np.array([-1, 1], np.float32), size=(6_000, 4))
    rows = [LabelledText("", 2 if one[0] == one[1] else 0, "sst") for one in seen]

    logits = teacher_logits(rows, Views(seen, seen, seen))

    alike = seen[:, 0] == seen[:, 1]
    assert logits[alike, 0].min() > 0 > logits[~alike, 0].max()


def test_a_word_that_no_text_has_is_judged_as_words_like_it() -> None:
    english, chinese = WordVectors(2), WordVectors(2)
    for word, vector in (("lovely", (4, 0)), ("splendid", (4, 0)), ("awful", (-4, 0)), ("table", (0, 4))):
        english.of("word", word_hash(word))[:] = vector
    for word, vector in (("好", (4, 0)), ("妙", (4, 0)), ("差", (-4, 0))):
        chinese.of("han1", han_hash(word))[:] = vector
    rows = ["lovely", "awful", "table", "好", "差"] * 2_000
    wanted = np.array([[3, -2], [-3, -2], [0, 2], [3, -2], [-3, -2]] * 2_000, np.float32)

    fitted = fit_words(
        english, chinese, featurise(rows, Hasher(load_model().characters)), wanted, np.ones_like(wanted)
    ).table(1 << 22)

    polarity, neutrality = fitted.T
    assert polarity[bucket_of("word", word_hash("splendid"))] == polarity[bucket_of("word", word_hash("lovely"))] > 0.3
    assert polarity[bucket_of("word", word_hash("awful"))] < -0.3
    assert abs(polarity[bucket_of("word", word_hash("table"))]) < 0.1
    assert neutrality[bucket_of("word", word_hash("table"))] > 0.3
    assert 0 < polarity[bucket_of("han1", han_hash("妙"))] < polarity[bucket_of("word", word_hash("splendid"))]


def test_what_labels_correct_in_a_teacher_is_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [LabelledText(f"wug {number}", 2, "cr") for number in range(200)]
    soft = np.full((200, 2), 0.5, np.float32)
    wug = bucket_of("word", word_hash("wug"))
    for own in ("written_texts", "everyday_texts", "denial_texts"):
        monkeypatch.setattr(train, own, list)
    found = []
    for kept in (0.0, 0.5, 1.0):
        monkeypatch.setattr(train, "_KEPT_OF_CORRECTION", kept)
        model = train._fitted(rows, soft, prior.NO_WORDS, load_model().characters)
        found.append(float(model.weights[0, wug]) * model.scales[0])

    assert abs(found[0]) < 0.01
    assert found[2] > 0.1
    assert found[1] == pytest.approx(found[2] / 2, rel=0.1)


def test_a_row_with_an_unknown_label_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "label": "angry"}', encoding="utf-8")

    with pytest.raises(Reject, match="line 1: label 'angry'"):
        read_own(tmp_path / "a.jsonl")


@pytest.mark.slow
def test_adapting_learns_a_companys_own_words_and_is_the_same_every_time() -> None:
    rows = [LabelledText(f"the zorblax is {word}", 0, "own") for word in ("blue", "green", "red", "old", "new", "big")]
    base = load_model()

    adapted = train.adapt(base, rows * 5)

    before, after = (Scorer(model).analyse(["zorblax"])[0].p_negative for model in (base, adapted))
    assert after > before
    assert np.array_equal(adapted.weights, train.adapt(base, rows * 5).weights)


def test_figures_match_a_count_by_hand() -> None:
    labels = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])

    report = report_of("own", labels, probabilities)

    assert report.accuracy == 0.75
    assert report.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert report.confusion == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert report.calibration.error == pytest.approx(0.05)


def test_a_source_without_neutral_compares_two_classes_and_says_what_strict_gives() -> None:
    report = report_of("reviews", np.array([0, 2]), np.array([[0.3, 0.6, 0.1], [0.1, 0.1, 0.8]]))

    assert (report.accuracy, report.strict_accuracy) == (1.0, 0.5)


def test_the_report_shows_every_source_in_table_and_page() -> None:
    reports = evaluate(Scorer.load(), [LabelledText("great", 2, "a<b"), LabelledText("awful", 0, "c")])

    assert "a<b" in as_table(reports)
    assert "<h2>a&lt;b</h2>" in as_page("linear", reports)
    assert as_page("linear", reports).count("<svg") == 2
