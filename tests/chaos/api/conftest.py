"""The API of the integration tests, to be killed."""

from tests.integration.api.conftest import _running_api, api

__all__ = ["_running_api", "api"]
