"""Console files: compressed once, cached for good below an address that changes when any of them does."""

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.api.static import ConsoleFiles, load
from tests.fakes.clock import FakeClock

PAGE = b'<script type="module" src="main.mjs"></script><a href="https://example.org/">x</a><a href="#top">y</a>'
SCRIPT = b"export const n = 1;\n" * 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_bytes(PAGE)
    (tmp_path / "main.mjs").write_bytes(SCRIPT)
    return tmp_path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(folder: Path, clock: FakeClock) -> TestClient:
    app = Starlette()
    app.router.default = ConsoleFiles(folder, clock)
    return TestClient(app)


def script_address(client: TestClient) -> str:
    return client.get("/").text.partition('src="')[2].partition('"')[0]


def test_a_page_names_files_at_addresses_that_are_cached_for_good(client: TestClient) -> None:
    script = client.get(script_address(client))

    assert script.content == SCRIPT
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    assert script.headers["content-encoding"] == "gzip"


def test_a_page_itself_is_revalidated_and_leaves_other_references_alone(client: TestClient) -> None:
    page = client.get("/")

    assert page.headers["cache-control"] == "no-cache"
    assert 'href="https://example.org/"' in page.text
    assert 'href="#top"' in page.text


def test_a_known_version_is_not_sent_again(client: TestClient) -> None:
    known = client.get("/main.mjs").headers["etag"]

    assert client.get("/main.mjs", headers={"If-None-Match": known}).status_code == 304
    assert client.get("/main.mjs", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_client_without_gzip_gets_the_file_as_it_is(client: TestClient) -> None:
    answer = client.get("/main.mjs", headers={"Accept-Encoding": "identity"})

    assert "content-encoding" not in answer.headers
    assert answer.content == SCRIPT


def test_a_changed_file_changes_every_address(client: TestClient, folder: Path, clock: FakeClock) -> None:
    before = script_address(client)

    (folder / "main.mjs").write_bytes(SCRIPT + b"// more\n")
    clock.advance(2)

    after = script_address(client)
    assert after != before
    assert client.get(before).status_code == 404
    assert client.get(after).content.endswith(b"// more\n")


@pytest.mark.parametrize("path", ["/../secrets", "/%2e%2e/secrets", "/none.mjs", "/static/"])
def test_what_is_not_a_file_of_the_console_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_packed_files_unpack_to_what_they_were() -> None:
    file = load({"main.mjs": SCRIPT})["main.mjs"]

    assert file.packed is not None
    assert gzip.decompress(file.packed) == SCRIPT


@pytest.mark.parametrize(("path", "status"), [("/", 405), ("/v1/labels/a%0A/b", 404)])
def test_writing_is_not_allowed_where_there_is_a_file_and_not_found_elsewhere(
    client: TestClient, path: str, status: int
) -> None:
    assert client.put(path).status_code == status


def test_a_link_that_leads_nowhere_hides_no_file(client: TestClient, folder: Path) -> None:
    (folder / ".#main.mjs").symlink_to("somebody@a-machine.1234")

    assert client.get("/main.mjs").content == SCRIPT
