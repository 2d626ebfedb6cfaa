"""Who has an alert open, as several people and several API processes tell each other."""

import pytest

from tests.factories.records import raised
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.integration
PATH = "/v1/alerts/a1/presence"


@pytest.fixture
def alert(api: Api) -> Api:
    api.publish("churn.alerts", raised("a1"))
    api.wait_projected()
    return api


def others(api: Api, key: str, path: str = PATH, url: str = "") -> list[str]:
    with api.client(key) as client:
        answer = client.put(f"{url}{path}")
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


def test_two_people_see_each_other_and_neither_sees_themselves(alert: Api) -> None:
    agent, viewer = alert.key_for("agent"), alert.key_for("viewer")
    assert others(alert, agent) == []

    assert others(alert, viewer) == ["test agent"]
    assert others(alert, agent) == ["test viewer"]
    assert others(alert, agent) == ["test viewer"]


def test_every_api_process_tells_the_same(alert: Api) -> None:
    agent, viewer = alert.key_for("agent"), alert.key_for("viewer")
    second = alert.make_process("second")
    second.start()

    try:
        others(alert, agent)
        assert others(alert, viewer, url=second.url) == ["test agent"]
    finally:
        second.kill()


def test_whoever_leaves_is_gone_at_once(alert: Api) -> None:
    agent, viewer = alert.key_for("agent"), alert.key_for("viewer")
    others(alert, agent)
    with alert.client(agent) as client:
        assert client.delete(PATH).status_code == 204

    assert others(alert, viewer) == []


def test_whoever_has_not_asked_for_a_while_is_forgotten(alert: Api) -> None:
    agent, viewer = alert.key_for("agent"), alert.key_for("viewer")
    others(alert, agent)
    alert.rows("UPDATE alert_presence SET seen_at = seen_at - interval '13 s' RETURNING 1")

    assert others(alert, viewer) == []
    assert alert.value("SELECT count(*) FROM alert_presence") == 1


def test_presence_is_of_one_alert_that_there_is(alert: Api) -> None:
    alert.publish("churn.alerts", raised("a2"))
    alert.wait_projected()
    agent, viewer = alert.key_for("agent"), alert.key_for("viewer")
    others(alert, agent)

    assert others(alert, viewer, "/v1/alerts/a2/presence") == []
    with alert.client(viewer) as client:
        assert client.put("/v1/alerts/nothing/presence").status_code == 404


def test_a_held_out_alert_has_nobody_for_an_agent(alert: Api) -> None:
    alert.rows("UPDATE alerts SET state = jsonb_set(state, '{is_held_out}', 'true') RETURNING 1")

    with alert.client(alert.key_for("agent")) as client:
        assert client.put(PATH).status_code == 404
    assert others(alert, alert.key_for("supervisor")) == []
