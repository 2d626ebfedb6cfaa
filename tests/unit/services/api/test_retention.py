"""Which months of interactions stay."""

from datetime import UTC, datetime

import pytest

from services.api.projection.retention import oldest_kept


@pytest.mark.parametrize(
    ("now", "n_months", "oldest"),
    [("2026-03-31", 1, (2026, 2)), ("2026-01-01", 1, (2025, 12)), ("2026-12-05", 24, (2024, 12))],
)
def test_whole_months_before_the_present_one_stay(now: str, n_months: int, oldest: tuple[int, int]) -> None:
    assert oldest_kept(datetime.fromisoformat(now).replace(tzinfo=UTC), n_months) == oldest
