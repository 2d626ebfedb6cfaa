"""The commands of docs/channels, run as they stand against a real ingest."""

import base64
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.ingest.channel import PROVIDERS
from tests.conftest import RunningKafka
from tests.integration.ingest.test_events_endpoint import Ingest, running
from tests.service_process import free_port

pytestmark = pytest.mark.integration

PAGES = Path(__file__).parents[3] / "docs" / "channels"
EXPECTED = {"events": "202", "amazon_connect": "401", "smtp": "250"}
# What is no made-up word must still be what it is.
REAL = {
    "encoding_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "app_id": "wx0123456789abcdef",
    "corp_id": "ww0123456789abcdef",
    "topic_arn": "arn:aws:sns:eu-west-1:123456789012:connect-events",
    "recipients": "support@example.com",
}


def command_of(name: str) -> str:
    """Return the shell block under "Try it" of a page."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    found = re.search(r"## Try it\n.*?```bash\n(.*?)```", page, re.DOTALL)
    assert found is not None, f"{name}.md has nothing to try"
    return found[1]


def connection_of(name: str) -> dict[str, Any]:
    """Return the connection a page says to paste, its secrets made up."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    (connection,) = yaml.safe_load(block[1])
    made_up = {
        key: REAL.get(key, value if isinstance(value, str) else f"{key} of {name}")
        for key, value in connection["credentials"].items()
    }
    return {**connection, "credentials": made_up}


class Documented:
    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.key_file = folder / "key.pem"
        self.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.smtp_port = free_port()
        self.connections = {name: connection_of(name) for name in PROVIDERS}
        self.connections["sendgrid"]["credentials"]["public_key"] = base64.b64encode(public).decode()
        assert "listen_port" in self.connections["smtp"]["settings"], "the page does not say where the listener listens"
        self.connections["smtp"]["settings"]["listen_port"] = self.smtp_port
        self.file = folder / "connections.yaml"
        self.file.write_text(yaml.safe_dump(list(self.connections.values())))
        self.ingest: Ingest | None = None

    def run(self, name: str) -> list[str]:
        """Return the lines a page's commands print."""
        assert self.ingest is not None
        credentials = self.connections[name]["credentials"] if name in self.connections else {}
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "NO_PROXY": "*",
            "INGEST": self.ingest.service.url,
            "SMTP": f"smtp://127.0.0.1:{self.smtp_port}",
            "API_KEY": self.ingest.key,
            "PRIVATE_KEY_FILE": str(self.key_file),
            **{key.upper(): value for key, value in credentials.items()},
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command_of(name)], env=environment, capture_output=True, text=True,
            timeout=50,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[:-1] if done.stdout.endswith("\n") else done.stdout.split("\n")


@pytest.fixture
async def documented(
    kafka: RunningKafka, topic_prefix: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Documented]:
    pages = Documented(tmp_path)
    settings = {"PULSELINE_CONNECTIONS_FILE": str(pages.file)}
    pages.ingest = await running(kafka.bootstrap, topic_prefix, database_url, tmp_path, settings)
    with pages.ingest.service:
        yield pages


@pytest.mark.timeout(180)
def test_every_page_does_what_it_says(documented: Documented) -> None:
    printed = {name: documented.run(name) for name in ["events", *PROVIDERS]}

    handshakes = {"meta": printed["meta"].pop(), "x": printed["x"].pop()}
    assert handshakes["meta"] == "42"
    assert "response_token" in handshakes["x"]
    wrong = {name: lines for name, lines in printed.items() if set(lines) != {EXPECTED.get(name, "200")}}
    assert wrong == {}
