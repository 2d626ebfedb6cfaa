"""Who a request's client is, by the word of proxies that are trusted and of nobody else."""

import pytest

from services.api.settings import ApiSettings
from shared.proxies import TrustedProxies
from shared.settings import SettingsError, read_settings


@pytest.mark.parametrize(
    ("trusted", "peer", "said", "client"),
    [
        ("", "127.0.0.1", ["203.0.113.7"], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", "127.0.0.1", ["203.0.113.7"], "127.0.0.1"),
        # What a client writes stands before what its proxy adds.
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1, 1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1, 10.0.0.0/8", "127.0.0.1", ["203.0.113.7, 10.2.3.4"], "203.0.113.7"),
        ("127.0.0.1, 10.0.0.0/8", "127.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("127.0.0.1", "127.0.0.1", ["1.1.1.1, nonsense"], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("::1", "::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("127.0.0.1", "::ffff:127.0.0.1", ["2001:db8:0::7"], "2001:db8::7"),
    ],
)
def test_client_is_the_last_that_no_trusted_proxy_is(trusted: str, peer: str, said: list[str], client: str) -> None:
    assert TrustedProxies.parse(trusted).client(peer, said) == client


@pytest.mark.parametrize("text", ["*", "proxy.internal", "10.0.0.1/8", "10.0.0.1;10.0.0.2"])
def test_a_list_that_is_none_is_refused_at_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSELINE_API_TRUSTED_PROXIES", text)

    with pytest.raises(SettingsError, match="PULSELINE_API_TRUSTED_PROXIES"):
        read_settings(ApiSettings)
