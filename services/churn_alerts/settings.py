"""Every setting of the churn service."""

from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class ChurnSettings(ServiceSettings):
    service = "churn_alerts"

    churn_alerts_host: str = Field("127.0.0.1", description="Address to serve health and metrics on.")
    churn_alerts_port: Annotated[int, Field(ge=1, le=65535)] = Field(8003, description="Port for health and metrics.")
    churn_alerts_max_poison_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share of bad inputs at which the processor stops; 1: all go to the dead letters."
    )
    churn_alerts_max_poll_records: Annotated[int, Field(ge=1, le=10_000)] = Field(
        3_000, description="Most records in one batch; bounds latency under load."
    )
    churn_alerts_capacity_every_s: Annotated[float, Field(gt=0)] = Field(
        86_400.0, description="How often the capacity controller reconsiders the alert thresholds."
    )
    churn_alerts_refit_look_every_s: Annotated[float, Field(gt=0)] = Field(
        3_600.0, description="How often the leading worker looks whether a refit of the model is due (every 28 days)."
    )
