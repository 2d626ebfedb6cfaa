"""What is judged of an event, and what an enriched event says. Pure."""

import re

from shared.contracts.event import EventBase, Interaction

# The first line of a quoted reply or of a signature; what stands above it is new.
_NOT_NEW = re.compile(
    r"^(?:>|-- ?$|_{5,}$|On .{1,200}wrote:\s*$|(?:于|在).{1,200}写道[:：]\s*$"
    r"|-{2,} ?(?:Original Message|原始邮件).{0,40}$|(?:From|发件人)[:：] .{1,200}$)",
    re.MULTILINE,
)
# Longer texts say what they say in their beginning; the bound keeps a megabyte of text from holding up a partition.
MAX_JUDGED_CHARACTERS = 8_000


def judged_text(event: EventBase) -> str:
    """Return the text whose mood counts: a call's transcript, a mail's new part, else the text; "" for none."""
    text = event.text or ""
    if isinstance(event, Interaction) and event.call is not None and event.call.transcript:
        text = event.call.transcript
    if event.channel == "email":
        text = new_part(text)
    return text[:MAX_JUDGED_CHARACTERS]


def new_part(text: str) -> str:
    """Return a mail's text above its quoted reply and signature; a mail that is all quote is taken whole."""
    found = _NOT_NEW.search(text[: 2 * MAX_JUDGED_CHARACTERS])
    if found is None:
        return text
    return text[: found.start()].strip() or text
