"""The documents name only files that exist, and link only to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("clients/*/README.md"),
        *ROOT.glob("deploy/helm/*/README.md"),
    ]
)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`([\w.-]+(?:/[\w.\[\]-]+)*\.(?:py|ts|tsx|js|mjs|md|toml|sql|conf|yaml|json|html))`")
ELSEWHERE = {"app/api/telemetry/[[...path]]/route.ts"}  # a file of the reader's app


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them, and those that are written out."""
    text = FENCED.sub("", document.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    written = re.findall(r'<a id="([^"]+)"></a>', text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(written)


def is_a_file_of_ours(name: str, document: Path) -> bool:
    """Named from the root, from the document's folder, or as a module is: consumer/worker.py, worker.py."""
    part = name.split("/", maxsplit=1)[0]
    bases = (ROOT, document.parent, ROOT / part / "siddes_telemetry", ROOT / "clients", ROOT / "deploy")
    if any((base / name).exists() for base in bases):
        return True
    trees = ("*/siddes_telemetry", "clients/[!n]*", "tests")  # not node_modules
    return any(any(ROOT.glob(f"{tree}/**/{name}")) for tree in trees)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(FENCED.sub("", document.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document: Path) -> None:
    named = set(FILE.findall(FENCED.sub("", document.read_text()))) - ELSEWHERE
    assert [name for name in sorted(named) if not is_a_file_of_ours(name, document)] == []


def test_every_document_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop().resolve()
        if document in seen:
            continue
        seen.add(document)
        links = [target.partition("#")[0] for target in LINK.findall(document.read_text())]
        waiting += [document.parent / link for link in links if link.endswith(".md") and "://" not in link]
    assert {path.resolve() for path in DOCUMENTS} - seen == set()
