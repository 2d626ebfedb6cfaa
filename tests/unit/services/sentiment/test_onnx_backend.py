"""A model of the user's own: a small real ONNX classifier, built here, judged by onnxruntime."""

import json
from pathlib import Path

import numpy as np
import pytest

from services.sentiment.interaction.backend import load_backend
from services.sentiment.interaction.model import ModelError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "broken", "lovely", "table", "坏", "好", "##s"]
# What each piece adds to the three logits: negative, neutral, positive.
VOICES = {"broken": (4, 0, 0), "lovely": (0, 0, 4), "table": (0, 1, 0), "坏": (4, 0, 0), "好": (0, 0, 4)}


def write_model(folder: Path, order: tuple[int, ...] = (0, 1, 2), **config: object) -> Path:
    voices = np.zeros((len(PIECES), 3), np.float32)
    for piece, voice in VOICES.items():
        voices[PIECES.index(piece)] = voice
    make, kind = onnx.helper, onnx.TensorProto
    graph = make.make_graph(
        [
            make.make_node("Gather", ["voices", "input_ids"], ["spoken"]),
            make.make_node("ReduceSum", ["spoken", "tokens"], ["logits"], keepdims=0),
        ],
        "bag of voices",
        [make.make_tensor_value_info("input_ids", kind.INT64, ["batch", "tokens"])],
        [make.make_tensor_value_info("logits", kind.FLOAT, ["batch", len(order)])],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(voices[:, list(order)]), "voices"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "tokens"),
        ],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "own.onnx"))
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    if config:
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder / "own.onnx"


def test_the_models_own_judgement_counts(tmp_path: Path) -> None:
    backend = load_backend(write_model(tmp_path))

    judged = backend.analyse(["Broken tables", "lovely table", "table", "", "坏"])

    assert [one.label for one in judged] == ["negative", "positive", "neutral", "neutral", "negative"]
    assert [one.language for one in judged] == ["en", "en", "en", "other", "zh"]
    assert judged[0].model == backend.name


def test_a_text_is_judged_alike_alone_and_in_company(tmp_path: Path) -> None:
    backend = load_backend(write_model(tmp_path))
    texts = ["broken", "lovely lovely table 好", "x" * 9_000, "\ud800", "table\n坏"]

    assert backend.analyse(texts) == [backend.analyse([text])[0] for text in texts]


def test_aspects_and_complaint_are_found_for_negative_texts(tmp_path: Path) -> None:
    (judged,) = load_backend(write_model(tmp_path)).analyse(["the table is broken and nobody refunds me"])

    assert [hit.aspect for hit in judged.aspects] == ["quality", "after_sales"]
    assert judged.is_complaint


def test_labels_of_the_configuration_name_the_outputs(tmp_path: Path) -> None:
    path = write_model(tmp_path, order=(2, 0), id2label={"0": "POSITIVE", "1": "NEGATIVE"})

    assert load_backend(path).analyse(["lovely"])[0].label == "positive"


def test_reasons_are_the_pieces_whose_absence_moves_the_judgement(tmp_path: Path) -> None:
    reasons = load_backend(write_model(tmp_path)).explain("a broken table", top=1)

    assert [reason.piece for reason in reasons] == ["broken"]
    assert reasons[0].polarity < 0


def test_outputs_without_names_that_are_neither_two_nor_three_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path, order=(0, 1, 2, 0))

    with pytest.raises(ModelError, match="4 outputs"):
        load_backend(path)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path)
    (tmp_path / "vocab.txt").unlink()

    with pytest.raises(ModelError, match="no tokenizer beside it"):
        load_backend(path)


def test_a_file_that_is_no_onnx_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.onnx").write_bytes(b"nothing of the kind")

    with pytest.raises(ModelError, match="not an ONNX model"):
        load_backend(tmp_path / "own.onnx")


def test_a_described_tokenizer_is_read_by_its_package(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    path = write_model(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    words = tokenizers.models.WordPiece({piece: n for n, piece in enumerate(PIECES)}, unk_token="[UNK]")
    described = tokenizers.Tokenizer(words)
    described.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    described.save(str(tmp_path / "tokenizer.json"))

    assert load_backend(path).analyse(["lovely table"])[0].label == "positive"
