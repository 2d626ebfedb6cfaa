"""A connections file that cannot be used is answered by a sentence and a status, as a wrong setting is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- {id: my, provider: slak}", "my: unknown provider 'slak'; known: amazon_connect"),
        ("{id: my, provider: slack}", "Expected `object`, got `str`"),
        ("a: [1", "expected ',' or ']'"),
        ("- {id: my, provider: slack, credentials: {signing_secret: {file: absent}}}", "No such file or directory"),
    ],
)
def test_a_connections_file_that_cannot_be_used_is_told_in_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text(text)
    environment = os.environ | {"PULSELINE_CONNECTIONS_FILE": str(file), "PULSELINE_STATE_DIR": str(tmp_path)}

    ended = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=environment, capture_output=True, text=True, timeout=60
    )  # fmt: skip

    assert ended.returncode == 1
    assert "cannot start: connections.yaml: " in ended.stderr
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
