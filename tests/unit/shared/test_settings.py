"""A misspelt setting stops the service it is meant for, and no other."""

import pytest

from services.api.settings import ApiSettings
from services.churn_alerts.settings import ChurnSettings
from services.ingest.settings import IngestSettings
from services.sentiment.settings import SentimentSettings
from shared.settings import ServiceSettings, UnknownSettingError, read_settings

OF: dict[str, type[ServiceSettings]] = {
    "PULSELINE_API_PRT": ApiSettings,
    "PULSELINE_CHURN_ALERTS_PRT": ChurnSettings,
    "PULSELINE_INGEST_PRT": IngestSettings,
    "PULSELINE_SENTIMENT_PRT": SentimentSettings,
}


@pytest.mark.parametrize("variable", OF)
def test_a_services_own_misspelt_setting_stops_it(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")

    with pytest.raises(UnknownSettingError, match=variable):
        read_settings(OF[variable])


@pytest.mark.parametrize("variable", OF)
def test_another_services_settings_are_none_of_its_business(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")

    for kind in {*OF.values()} - {OF[variable]}:
        read_settings(kind)
