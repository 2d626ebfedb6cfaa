"""Proof of posts pushed by a relay or by the server's own webhooks: hex SHA-256 of the body."""

from services.ingest.channel.ports import ChannelRequest, Credentials, SignatureError, secrets_of
from services.ingest.channel.signature import hex_digest, require_header, require_prefix, require_secrets_match

HEADERS = ("X-Hub-Signature", "X-Hub-Signature-256")


def require_hub_signature(request: ChannelRequest, credentials: Credentials) -> None:
    """Raise unless one of the two headers is `sha256=` and the body's digest; with both, both must hold."""
    secrets = secrets_of(credentials, "secret")
    present = [name for name in HEADERS if request.sole_header(name) is not None]
    if not present:
        raise SignatureError(f"header {HEADERS[0]} is missing")
    for name in present:
        given = require_prefix(require_header(request, name), "sha256=", name)
        require_secrets_match(secrets, given, lambda secret: hex_digest(secret, request.body))
