"""How a column writes amounts: decimal point or comma, thousands separators, currencies. Decided over all of it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Literal

DecimalSign = Literal[".", ","]

MOST_STRAYS = 0.05
"""So many values may be written in another way than the rest; they are rejected, not guessed."""

FEWEST_GROUPED = 10
"""So many values with three digits after their only sign, beside smaller ones without it, are thousands by chance no
more: three decimals of each would be written for the others too."""

NOTHING = frozenset({"", "-", "null", "none", "nan", "na", "n/a", "\\n"})
"""What databases and spreadsheets write for no value."""

_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_NO_CURRENCY_SIGNS = "mio mrd tsd mil mln bln bio"
_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "$": "USD", "US$": "USD", "€": "EUR", "EURO": "EUR", "£": "GBP", "￥": "¥", "CNY": "¥", "RMB": "¥", "CN¥": "¥",
        "元": "¥", "人民币": "¥", "円": "JPY", "JP¥": "JPY", "₩": "KRW", "원": "KRW", "₹": "INR", "RS": "INR",
        "R$": "BRL", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "₽": "RUB", "РУБ": "RUB", "₺": "TRY", "TL": "TRY",
        "HK$": "HKD", "NT$": "TWD", "S$": "SGD", "A$": "AUD", "C$": "CAD", "KR": "kr", "FR": "CHF",
    }
)  # fmt: skip
"""Signs of one currency that stand for each other; ¥ alone may be yen or yuan, and neither has three decimals."""

_SPACES = str.maketrans({"\u00a0": " ", "\u2009": " ", "\u202f": " ", "’": "'", "，": ",", "．": ".", "\u2212": "-"})
_WRITTEN = re.compile(
    r"(?P<minus>[-+(]?) ?(?P<before>[^\d.,' ()+-]*(?<=[^\W\d_])\.?|[^\d.,' ()+-]*) ?(?P<sign>[-+]?)"
    r"(?P<body>[\d.,][\d.,' ]*?) ?(?P<after>[^\d.,' ()+-]*\.?)(?P<end>[-)]?)"
)
_BODIES: Mapping[DecimalSign, re.Pattern[str]] = MappingProxyType(
    {
        ".": re.compile(r"(?:\d+|[1-9]\d{0,2}(?:([,' ])\d{3})(?:\1\d{3})*|[1-9]\d?(?:,\d\d)+,\d{3})(?:\.\d*)?|\.\d+"),
        ",": re.compile(r"(?:\d+|[1-9]\d{0,2}(?:([.' ])\d{3})(?:\1\d{3})*)(?:,\d*)?|,\d+"),
    }
)


class NotPlain(Exception):
    """A value is not written as programs write it, so the whole column must be seen before any of it is read."""


class UnclearColumn(Exception):
    """A column can be read in two ways; the message shows where and says what to do."""


class PlainAmounts:
    """Reads amounts as programs write them (1234.5), and stops at the first that is not."""

    def __init__(self) -> None:
        self._is_sure = False
        self._saw_three_decimals = False

    def cents(self, text: str) -> int | None:
        """Return whole hundredths, None for no amount. Raises `NotPlain`."""
        try:
            amount = float(text)
        except ValueError:
            if text.strip().lower() in NOTHING:
                return None
            raise NotPlain from None
        if not self._is_sure and "." in text:
            self._look(text)
        return _hundredths(amount)

    def conclude(self) -> None:
        """Raises `NotPlain` when all that was read may have been thousands: 1.234 or 1,234."""
        if self._saw_three_decimals and not self._is_sure:
            raise NotPlain

    def _look(self, text: str) -> None:
        parsed = _split(text)
        if parsed is None or _value(parsed.body, ",") is None:
            self._is_sure = True
        else:
            self._saw_three_decimals = True


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How all amounts of a column are written. `currency` is empty where none is."""

    decimal: DecimalSign
    currency: str

    def cents(self, text: str) -> int | None:
        """Return whole hundredths, None for no amount. Raises ValueError where a value is written otherwise."""
        parsed = _split(text)
        if parsed is None:
            if text.strip().lower() in NOTHING:
                return None
            try:
                amount = float(text)
            except ValueError:
                raise ValueError(f"amount {text.strip()[:40]!r} is no number") from None
            return _hundredths(amount)
        if parsed.currency and parsed.currency != self.currency:
            raise ValueError(f"amount {text.strip()[:40]!r} is in another currency than the others, {self.currency}")
        value = _value(parsed.body, self.decimal)
        if value is None:
            sign = "point" if self.decimal == "." else "comma"
            raise ValueError(f"amount {text.strip()[:40]!r} does not fit the decimal {sign} of the others")
        return _hundredths(-value if parsed.is_negative else value)


AS_PROGRAMS_WRITE = AmountForm(".", "")


@dataclass(slots=True)
class AmountSurvey:
    """Sees every value of a column, and then says how it is written."""

    _n_only: Counter[DecimalSign] = field(default_factory=Counter)
    _n_open: Counter[str] = field(default_factory=Counter)
    _n_ungrouped: Counter[bool] = field(default_factory=Counter)
    _n_currency: Counter[str] = field(default_factory=Counter)
    _first: dict[str, str] = field(default_factory=dict)

    def see(self, line: int, text: str) -> None:
        parsed = _split(text)
        if parsed is None:
            return
        if parsed.currency:
            self._n_currency[parsed.currency] += 1
            self._note(parsed.currency, line, text)
        point, comma = _value(parsed.body, "."), _value(parsed.body, ",")
        if point is None and comma is None:
            return
        if point is None:
            self._n_only[","] += 1
            self._note("only,", line, text)
        elif comma is None:
            self._n_only["."] += 1
            self._note("only.", line, text)
        elif point != comma:
            sign = "." if "." in parsed.body else ","
            self._n_open[sign] += 1
            self._note(sign, line, text)
        elif parsed.body.isdigit():
            self._n_ungrouped[point >= 1000] += 1

    def settle(self) -> AmountForm:
        """Return how the column is written. Raises `UnclearColumn` when that cannot be told from its values."""
        currency = self._currency()
        n_point, n_comma = self._n_only["."], self._n_only[","]
        if min(n_point, n_comma) > MOST_STRAYS * (n_point + n_comma):
            raise UnclearColumn(
                f"amounts are written with decimal point ({self._first['only.']}) and with decimal comma "
                f"({self._first['only,']}): write all of them one way, best like 1234.50"
            )
        if n_point or n_comma:
            return AmountForm("." if n_point >= n_comma else ",", currency)
        if not self._n_open:
            return AmountForm(".", currency)
        return AmountForm(self._sign_beside_thousands(currency), currency)

    def _currency(self) -> str:
        if not self._n_currency:
            return ""
        (most, _), *others = self._n_currency.most_common()
        if sum(n for _, n in others) > MOST_STRAYS * self._n_currency.total():
            raise UnclearColumn(
                f"amounts are in several currencies ({self._first[most]}; {self._first[others[0][0]]}): convert them "
                "to one, or leave the column amount out"
            )
        return most

    def _sign_beside_thousands(self, currency: str) -> DecimalSign:
        """All signs have three digits after them: return the decimal sign if the signs must be thousands separators."""
        (sign, n), *others = self._n_open.most_common()
        is_money = bool(currency) and currency not in _THREE_DECIMALS
        is_grouping = n >= FEWEST_GROUPED and self._n_ungrouped[False] > 0 and not self._n_ungrouped[True]
        if others or not (is_money or is_grouping):
            raise UnclearColumn(
                f"amounts may be thousands or have three decimals ({self._first[sign]}): write them with a decimal "
                "point and no thousands separators, like 1234.50"
            )
        return "," if sign == "." else "."

    def _note(self, kind: str, line: int, text: str) -> None:
        self._first.setdefault(kind, f"line {line}: {text.strip()[:40]!r}")


@dataclass(frozen=True, slots=True)
class _Parsed:
    is_negative: bool
    body: str
    currency: str


def _split(text: str) -> _Parsed | None:
    """Return sign, digits and currency of an amount; None where it is none."""
    found = _WRITTEN.fullmatch(text.translate(_SPACES).strip())
    if found is None:
        return None
    marks = found["minus"] + found["sign"] + found["end"]
    before, after = found["before"], found["after"]
    if (before and after) or ("(" in marks) != (")" in marks) or len(marks.strip("()")) > 1:
        return None
    currency = _currency_of(before or after)
    return None if currency is None else _Parsed(marks not in ("", "+"), found["body"], currency)


def _currency_of(mark: str) -> str | None:
    """Return one name for the signs and codes of a currency, empty for none; None where letters name no currency."""
    name = mark.rstrip(".").upper()
    if not name:
        return ""
    known = _SIGNS.get(name)
    if known is not None:
        return known
    is_sign = len(name) == 1 and not name.isalnum() and name not in '%#*/\\_=<>"'
    is_code = len(name) == 3 and name.isascii() and name.isalpha() and name.lower() not in _NO_CURRENCY_SIGNS
    return name if is_sign or is_code else None


def _value(body: str, decimal: DecimalSign) -> float | None:
    """Return the number if the digits can be read with this decimal sign."""
    if _BODIES[decimal].fullmatch(body) is None:
        return None
    grouping = "," if decimal == "." else "."
    return float(body.replace(" ", "").replace("'", "").replace(grouping, "").replace(decimal, "."))


def _hundredths(amount: float) -> int | None:
    return round(amount * 100) if isfinite(amount * 100) else None
