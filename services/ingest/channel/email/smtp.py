"""Mail as bytes: what the SMTP listener and the IMAP poller hand over. The proof is the allowed envelope recipient.

Anybody may write to a public address, so this proves where a mail was sent to, not who sent it.
"""

from services.ingest.channel.email.mail_event import mail_event
from services.ingest.channel.email.message import read_mail
from services.ingest.channel.ports import (
    Channel,
    ChannelParse,
    ChannelRequest,
    Credentials,
    PayloadError,
    SignatureError,
    secrets_of,
    setting,
)

ENVELOPE_HEADER = "X-Envelope-To"
MAX_MAIL = 30_000_000


class Smtp(Channel):
    name = "smtp"

    def verify(self, request: ChannelRequest, credentials: Credentials) -> None:
        """Raise unless one recipient (of the envelope, else of the mail) is allowed; "@domain" allows a domain."""
        allowed = secrets_of(credentials, "recipients")
        stated = request.header(ENVELOPE_HEADER)
        if stated is not None:
            recipients = [part.strip() for part in stated.split(",")]
        else:
            mail = read_mail(request.body[:MAX_MAIL])
            recipients = [party.address for party in (*mail.to, *mail.cc)]
        if not any(is_allowed(recipient, allowed) for recipient in recipients):
            raise SignatureError("no recipient of this mail is allowed")

    def read(self, request: ChannelRequest, credentials: Credentials) -> ChannelParse:
        if not request.body.strip():
            raise PayloadError("the mail is empty")
        if len(request.body) > MAX_MAIL:
            raise PayloadError(f"the mail is larger than {MAX_MAIL} bytes")
        parse = ChannelParse()
        mail = read_mail(request.body, setting(credentials, "language"))
        parse.add(mail_event(request, credentials, mail, attributes={"envelope_to": request.header(ENVELOPE_HEADER)}))
        return parse


def is_allowed(recipient: str, allowed: list[str]) -> bool:
    """Return whether a recipient's address (plus-addresses included) is one of the allowed ones."""
    address = recipient.strip().strip("<>").lower()
    local, _, domain = address.rpartition("@")
    plain = f"{local.partition('+')[0]}@{domain}"
    for entry in allowed:
        wanted = entry.strip().lower()
        if wanted in (address, plain) or (wanted.startswith("@") and wanted[1:] == domain and local):
            return True
    return False
