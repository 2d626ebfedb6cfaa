"""How tests speak HTTP to what they have started on this machine: past any proxy, and without TLS."""

import ssl
from typing import Any

# Reading the machine's certificates takes 40 ms of the processor for each client, many times what most requests take,
# and tests ask again and again whether something has happened: the service that is asked could not get on for it.
LOOPBACK: dict[str, Any] = {"trust_env": False, "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
