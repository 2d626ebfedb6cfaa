"""Every setting of the sentiment service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from shared.settings import ServiceSettings


class SentimentSettings(ServiceSettings):
    service = "sentiment"

    sentiment_host: str = Field("127.0.0.1", description="Address to serve health and metrics on.")
    sentiment_port: Annotated[int, Field(ge=1, le=65535)] = Field(8002, description="Port for health and metrics.")
    sentiment_model: Path | None = Field(
        None,
        description="A model of your own: a file made by `pulseline sentiment train`, or an .onnx file with its"
        " tokenizer (vocab.txt or tokenizer.json) beside it; empty: the one that ships.",
    )
    sentiment_tick_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="How often a clock.ticked record moves event time in every partition."
    )
    sentiment_max_poison_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Share of bad inputs at which the processor stops; 1: all go to the dead letters."
    )
    sentiment_max_poll_records: Annotated[int, Field(ge=1, le=10_000)] = Field(
        3_000, description="Most records in one batch; bounds latency under load."
    )
