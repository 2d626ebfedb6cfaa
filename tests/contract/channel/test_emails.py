"""The 120 shared mails, read in place: who, what, when, and the new words alone."""

import json
import time
from typing import Any

from services.ingest.channel.email.message import Mail, read_mail
from services.ingest.channel.payload import instant_of
from tests.shared_data import shared_data_dir


def _mails() -> list[tuple[dict[str, Any], bytes]]:
    folder = shared_data_dir() / "channels"
    rows = json.loads((folder / "emails.json").read_bytes())
    return [(row, (folder / "emails" / row["file"]).read_bytes()) for row in rows]


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _faults(expect: dict[str, Any], mail: Mail) -> list[str]:
    accepted = {_words(expect.get("visible_text")), _words(expect.get("visible_text_without_signature", "\0"))}
    sender = mail.sender.address.lower() if mail.sender else None
    judged = {
        "visible_text": _words(mail.visible_text) in accepted,
        "visible_text_contains": _words(expect.get("visible_text_contains")) in _words(mail.visible_text),
        "visible_text_starts_with": _words(mail.visible_text).startswith(
            _words(expect.get("visible_text_starts_with"))
        ),
        "from": sender == (expect.get("from") or "").lower() or expect.get("from") is None,
        "subject": _words(mail.subject) == _words(expect.get("subject")),
        "date": mail.date == instant_of(expect.get("date")),
        "text": _words(mail.text).startswith(_words(expect.get("text"))),
        "attachments": len(mail.attachments) == expect.get("attachments"),
        "has_text_part": mail.has_text_part == expect.get("has_text_part"),
        "auto_reply": mail.is_auto_reply == expect.get("auto_reply"),
        "to": [party.address for party in mail.to] == expect.get("to"),
    }
    return [name for name, is_right in judged.items() if name in expect and not is_right]


def test_at_least_95_percent_of_the_mails_are_right_in_every_stated_respect() -> None:
    mails = _mails()

    wrong = {row["file"]: found for row, raw in mails if (found := _faults(row["expect"], read_mail(raw)))}

    assert len(wrong) <= 0.05 * len(mails), wrong


def test_no_mail_takes_long() -> None:
    slowest = 0.0
    for _, raw in _mails():
        started = time.process_time()
        read_mail(raw)
        slowest = max(slowest, time.process_time() - started)

    assert slowest < 2.0  # a bound against runaway parsing, not a benchmark
