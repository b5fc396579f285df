"""Finding a wheel as pip would: pages in both forms, folders, names; and what pip itself answers."""

import json
from pathlib import Path

import pytest

from staffroom.recruit import index as index_module
from staffroom.recruit.download import ChannelError, Web, shown
from staffroom.recruit.index import PipSettings, ask_pip, find_wheel

WHEEL = "Small.Model_part1-1.0-py3-none-any.whl"


class Pages(Web):
    """A web of one page."""

    def __init__(self, kind: str, content: str) -> None:
        super().__init__()
        object.__setattr__(self, "answer", (kind, content.encode()))

    def page(self, url: str, accept: str, most_bytes: int) -> tuple[str, str, bytes]:
        kind, content = self.answer  # type: ignore[attr-defined]
        return url, kind, content

    def reach(self, url: str) -> None:
        pass


SETTINGS = PipSettings(("https://user:secret@index.invalid/simple",), (), None)


def test_json_pages() -> None:
    page = {
        "files": [
            {"filename": "x", "url": "/files/small_model_part1-0.9-py3-none-any.whl", "hashes": {}},
            {"filename": "x", "url": f"/files/{WHEEL}", "hashes": {"sha256": "ab"}, "size": 12},
        ]
    }
    web = Pages("application/vnd.pypi.simple.v1+json", json.dumps(page))
    found = find_wheel("small-model-part1", "1.0", SETTINGS, web, offline=False)
    assert (found.name, found.sha256, found.bytes) == (WHEEL, "ab", 12)
    assert found.host == "index.invalid"


def test_html_pages() -> None:
    page = f'<a href="../../files/other.tar.gz">x</a><A HREF="../../files/{WHEEL}#sha256=ab">y</A><a>z</a>'
    found = find_wheel("small-model-part1", "1.0", SETTINGS, Pages("text/html", page), offline=False)
    assert found.location.endswith(f"@index.invalid/files/{WHEEL}")
    assert (found.sha256, found.bytes, found.path) == ("ab", None, None)


@pytest.mark.parametrize("content", ["{", "[1]", '{"files": [{}]}', ""])
def test_pages_that_make_no_sense(content: str) -> None:
    web = Pages("application/vnd.pypi.simple.v1+json", content)
    with pytest.raises(ChannelError, match="no wheel of small-model-part1"):
        find_wheel("small-model-part1", "1.0", SETTINGS, web, offline=False)


def test_local_places_come_first_and_need_no_network(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "simple" / "small-model-part1").mkdir(parents=True)
    (tmp_path / "simple" / "small-model-part1" / "index.html").write_text(
        f'<a href="../../links/{WHEEL}">x</a>'
    )
    (tmp_path / "links" / WHEEL).write_bytes(b"wheel")
    for settings in (
        PipSettings((*SETTINGS.indexes, (tmp_path / "simple").as_uri()), (), None),
        PipSettings(SETTINGS.indexes, (str(tmp_path / "links"),), None),
    ):
        found = find_wheel("small-model-part1", "1.0", settings, Web(), offline=True)
        assert found.path is not None and found.path.resolve() == tmp_path / "links" / WHEEL
        assert found.bytes == 5


def test_passwords_are_never_shown() -> None:
    web = Pages("text/html", "")
    with pytest.raises(ChannelError) as caught:
        find_wheel("small-model-part1", "1.0", SETTINGS, web, offline=False)
    assert "secret" not in str(caught.value)
    assert shown("https://user:secret@index.invalid/simple") == "https://index.invalid/simple"


def test_pip_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.invalid/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://second.invalid/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/carried/in")
    monkeypatch.setenv("PIP_CERT", "/certificates.pem")
    expected = PipSettings(
        ("https://mirror.invalid/simple", "https://second.invalid/simple"),
        ("/carried/in",),
        "/certificates.pem",
    )
    assert ask_pip() == expected
    monkeypatch.setattr(index_module, "_SCRIPT", "raise SystemExit(1)")
    assert ask_pip() == expected
