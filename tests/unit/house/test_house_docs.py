"""The documents keep up with the program: reference pages, commands, settings, links, dependencies."""

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from source_tree import ROOT, kept_files, listed, product_modules

FENCE = re.compile(r"^```(?:sh|console|bash)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SETTING = re.compile(r"""["'](STAFFROOM_[A-Z_]+|XDG_[A-Z_]+)["']""")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _prose() -> list[Path]:
    return [
        path
        for path in kept_files()
        if path.suffix == ".md" and path.relative_to(ROOT).parts[0] != "examples"
    ]


def test_the_reference_is_what_the_program_says(reference: ModuleType) -> None:
    old = [
        name
        for name, text in reference.pages().items()
        if (ROOT / "docs/reference" / name).read_text() != text
    ]
    assert not old, f"out of date: {old}; run: make docs"


def test_commands_in_the_documents_exist(reference: ModuleType) -> None:
    known = reference.paths_of()
    findings = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in _prose()
        for line in _shown_commands(path.read_text(encoding="utf-8"))
        if line.startswith("staffroom ")
        and not line.startswith("staffroom --")
        and not any(f"{line} ".startswith(f"{command} ") for command in known)
    ]
    assert not findings, listed(findings)


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    scripts = {f"bench-{path.stem}" for path in (ROOT / "benchmarks").glob("*.py")}
    findings = [
        f"{path.relative_to(ROOT)}: make {target}"
        for path in _prose()
        for target in re.findall(r"`make ([a-z0-9-]+)", path.read_text(encoding="utf-8"))
        if target not in targets | scripts
    ]
    assert not findings, listed(findings)


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    used = {name for module in product_modules() for name in SETTING.findall(module.text)}
    assert {name for name in used if f"`{name}`" not in page} == set()
    assert {name for name in re.findall(r"^\| `(\w+)`", page, re.M) if name not in used} == set()


def test_links_between_documents_lead_somewhere() -> None:
    findings = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _prose()
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not findings, listed(findings)


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        waiting += [
            (page.parent / target).resolve() for target in LINK.findall(page.read_text(encoding="utf-8"))
        ]
    pages = {path for path in _prose() if path.is_relative_to(ROOT / "docs")}
    assert {str(path.relative_to(ROOT)) for path in pages - reached} == set()


def test_each_dependency_has_its_line() -> None:
    text = (ROOT / "design/dependencies.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [len(line.strip("|").split("|")) for line in rows] == [6] * len(rows)
    assert sorted(line.split("`")[1] for line in rows) == sorted(set(_dependencies()))


def test_every_dependency_is_pinned_with_hashes() -> None:
    for name in ("run", "ocr", "train", "dev", "lock"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        blocks = re.split(r"\n(?=[a-z0-9])", text)
        assert all(re.match(r"[a-z0-9.-]+==\S+", block) and "--hash=sha256:" in block for block in blocks)
    locked = {_plain(line.split("==")[0]) for line in _pins("run")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {_plain(line) for line in project["dependencies"]} <= locked
    assert set(_pins("run")) <= set(_pins("ocr")) <= set(_pins("dev"))
    assert set(_pins("run")) <= set(_pins("train")) <= set(_pins("dev"))


def test_torch_alone_is_pinned_without_a_hash() -> None:
    lines = [line for line in (ROOT / "requirements/torch.txt").read_text().splitlines() if line[:1] != "#"]
    assert len(lines) == 1
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", lines[0])
    assert "torch" not in {
        _plain(line.split("==")[0]) for name in ("run", "train", "dev") for line in _pins(name)
    }


def test_no_registry_and_no_machine_in_the_files() -> None:
    hosts = [
        "pypi" + ".org",
        "python" + "hosted.org",
        "npm" + "js.org",
        "anaconda" + ".org",
        "crates" + ".io",
    ]
    places = [r"(?<![\w.])/" + name + "/" for name in ("work", "root", "opt", r"home/\w+")]
    wrong = re.compile("|".join([*map(re.escape, hosts), *places]))
    findings = []
    for path in kept_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found = [(number, line) for number, line in enumerate(lines, 1) if wrong.search(line)]
        findings += [f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}" for number, line in found]
    assert not findings, listed(findings)


def _shown_commands(text: str) -> Iterator[str]:
    for block in FENCE.findall(text):
        yield from (line.removeprefix("$ ").strip() for line in block.splitlines())


def _dependencies() -> list[str]:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [data["project"]["dependencies"], *data["project"]["optional-dependencies"].values()]
    return [_plain(line) for group in (*lists, *data["dependency-groups"].values()) for line in group]


def _plain(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", requirement)[0]).lower()


def _pins(name: str) -> list[str]:
    lines = (ROOT / f"requirements/{name}.txt").read_text().splitlines()
    return [line.split(" ")[0] for line in lines if re.match(r"[a-z0-9]", line)]
