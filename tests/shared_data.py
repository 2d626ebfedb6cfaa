"""Where the development corpora are; they stay outside the repository, so a public clone has none and skips loudly."""

import os
from pathlib import Path

import pytest


def shared_data_dir() -> Path:
    """Return the corpora's folder; without it, skip the test, or fail it in CI."""
    folder = Path(os.environ.get("PULSELINE_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        message = f"development corpora not found at {folder}; set PULSELINE_SHARED_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
