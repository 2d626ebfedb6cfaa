"""A sentiment model of the user's own: an ONNX file with its tokenizer, judged by onnxruntime.

Beside `<name>.onnx` stand `vocab.txt` (WordPiece) or `tokenizer.json` (any tokenizer of the `tokenizers` package), and
optionally `config.json` with `id2label`, `do_lower_case` and `max_position_embeddings`: what an export of a fine-tuned
text classifier usually leaves. Language, aspects, complaint and urgency are found as for the built-in model.
"""

import hashlib
import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.sentiment.interaction.features import MAX_CHARACTERS, Hasher, clean
from services.sentiment.interaction.judgement import PARTS, Parts, Reason, judgements
from services.sentiment.interaction.language import languages_of
from services.sentiment.interaction.model import ModelError, load_model
from services.sentiment.interaction.wordpiece import WordPiece
from shared.contracts.enriched import Sentiment

_MAX_TOKENS: Final = 512
_MAX_PIECES: Final = 64
"""Explaining judges a text once for each of its pieces; a longer text's later pieces are not tried."""
_PIECE: Final = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
_BLANK: Final = (0, PARTS, 0)
_PLACES: Final = {"neg": 0, "neu": 1, "pos": 2}


class Tokenizer(Protocol):
    def encode(self, text: str, limit: int) -> list[int]: ...


class _Config(msgspec.Struct):
    id2label: dict[str, str] = {}
    do_lower_case: bool = True
    max_position_embeddings: int = _MAX_TOKENS


class OnnxBackend:
    """Judges texts one at a time, so that neighbours and padding never move a judgement."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError when onnxruntime, the tokenizer or a fitting output is missing."""
        runtime = _needed("onnxruntime", "pip install 'pulseline[onnx]'")
        config = _config_beside(path)
        try:
            raw = path.read_bytes()
            options = runtime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = runtime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise ModelError(f"cannot read the sentiment model: {error}") from error
        except Exception as error:
            # onnxruntime's own errors share no base class.
            raise ModelError(f"not an ONNX model: {path}: {error}") from error
        self.name = f"onnx-{hashlib.blake2b(raw, digest_size=6).hexdigest()}"
        self._tokenizer = _tokenizer_beside(path, config)
        self._limit = min(config.max_position_embeddings, _MAX_TOKENS)
        self._inputs = {one.name for one in self._session.get_inputs()}
        if unknown := self._inputs - {"input_ids", "attention_mask", "token_type_ids"}:
            raise ModelError(f"{path} wants inputs this cannot give: {', '.join(sorted(unknown))}")
        self._places = _places(config.id2label, len(self._logits("a")))
        self._hasher = Hasher(load_model().characters)

    def analyse(self, texts: Sequence[str]) -> list[Sentiment]:
        """Return one judgement a text, in order."""
        if not texts:
            return []
        batch = self._hasher.hash_batch(texts)
        languages = languages_of(batch.scripts, batch.function_words)
        parts = np.array([self._parts_of(text) for text in texts], np.int64)
        return judgements(self.name, parts.T, languages, batch, np.arange(len(texts)))

    def explain(self, text: str, top: int = 12) -> list[Reason]:
        """Return the pieces whose absence would move the judgement most, strongest first."""
        whole = self._log_odds(text)
        reasons = []
        for found in list(_PIECE.finditer(text))[:_MAX_PIECES]:
            without = self._log_odds(text[: found.start()] + " " + text[found.end() :])
            reasons.append(Reason(found.group(), whole[0] - without[0], whole[1] - without[1]))
        reasons.sort(key=lambda reason: (-abs(reason.polarity) - abs(reason.neutrality), reason.piece))
        return reasons[:top]

    def _parts_of(self, text: str) -> Parts:
        if not text.strip():
            return _BLANK
        shares = self._shares(text)
        neutral = round(shares[1] * PARTS)
        positive = min(round(shares[2] * PARTS), PARTS - neutral)
        return PARTS - neutral - positive, neutral, positive

    def _log_odds(self, text: str) -> tuple[float, float]:
        negative, neutral, positive = (max(share, 1e-6) for share in self._shares(text))
        return float(np.log(positive / negative)), float(np.log(neutral / (negative + positive)))

    def _shares(self, text: str) -> tuple[float, float, float]:
        logits = self._logits(text)
        weights = np.exp(logits - logits.max())
        shares = np.zeros(3)
        np.add.at(shares, self._places, weights / weights.sum())
        return float(shares[0]), float(shares[1]), float(shares[2])

    def _logits(self, text: str) -> NDArray[np.float64]:
        ids = np.array([self._tokenizer.encode(clean(text)[:MAX_CHARACTERS], self._limit)], np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        first = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        return np.asarray(first, np.float64).reshape(-1)


def _needed(module: str, how: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(f"this sentiment model needs {module}, which is not installed: {how}") from error


def _config_beside(path: Path) -> _Config:
    beside = path.with_name("config.json")
    if not beside.exists():
        return _Config()
    try:
        return msgspec.json.decode(beside.read_bytes(), type=_Config)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"cannot read {beside}: {error}") from error


def _tokenizer_beside(path: Path, config: _Config) -> Tokenizer:
    vocabulary, described = path.with_name("vocab.txt"), path.with_name("tokenizer.json")
    if vocabulary.exists():
        return WordPiece.load(vocabulary, config.do_lower_case)
    if described.exists():
        return _DescribedTokenizer(described)
    raise ModelError(f"{path} has no tokenizer beside it: vocab.txt or tokenizer.json")


class _DescribedTokenizer:
    def __init__(self, path: Path) -> None:
        tokenizers = _needed("tokenizers", "pip install tokenizers, or put a vocab.txt beside the model")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:
            # The package raises Exception itself.
            raise ModelError(f"cannot read the tokenizer {path}: {error}") from error

    def encode(self, text: str, limit: int) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        if len(ids) > limit:
            return ids[: limit * 3 // 4] + ids[len(ids) - (limit - limit * 3 // 4) :]
        return ids


def _places(labels: Mapping[str, str], n_outputs: int) -> NDArray[np.intp]:
    """Return, for each output, whether it speaks for negative (0), neutral (1) or positive (2)."""
    named = [labels.get(str(output), "").lower()[:3] for output in range(n_outputs)]
    if all(name in _PLACES for name in named):
        return np.array([_PLACES[name] for name in named])
    if n_outputs == 3:
        return np.array([0, 1, 2])
    if n_outputs == 2:
        return np.array([0, 2])
    raise ModelError(
        f"the model has {n_outputs} outputs; name them negative, neutral and positive in config.json (id2label)"
    )
