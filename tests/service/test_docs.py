"""Every block of README and docs is run, in the order of its file, in an empty directory.

A block whose fence says `norun: <reason>` is left out. A `text` block after a block that is run is its output. Ports
are replaced by free ones, so that files can run side by side; nothing else is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.cli.running import CLEAN

from featurama_core.settings import StoreSettings
from featurama_core.types.times import SECOND

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = {"online": "50051", "ingest": "50052", "gateway": "8080"}
RUN = ("bash", "python")
SHOWN = ("", "text", "mermaid", "json", "yaml")


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    norun: str | None


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix().removeprefix("docs/")


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, _, rest = match["info"].strip().partition(" ")
        tag, colon, reason = rest.partition(":")
        found.append(Block(language, match["text"], reason.strip() if tag == "norun" and colon else None))
    return found


def script(page: Path) -> str:
    """The page as one bash script. What it started in the background ends with it."""
    parts = ["set -euo pipefail", "trap 'for job in $(jobs -p); do kill $job; wait $job; done' EXIT"]
    found = blocks(page)
    for number, block in enumerate(found):
        if block.language not in RUN or block.norun is not None:
            continue
        parts.append(f"echo '--- {page.name}, block {number + 1}' >&2")
        code = block.text if block.language == "bash" else f"python <<'END_OF_BLOCK'\n{block.text}END_OF_BLOCK\n"
        for output in [each for each in found[number + 1 : number + 2] if each.language == "text"]:
            code = f"{{\n{code}}} > printed\ndiff printed - <<'END_OF_TEXT'\n{output.text}END_OF_TEXT\n"
        parts.append(code)
    return "\n".join(parts)


def on_free_ports(text: str) -> str:
    """The script, with ports that nobody has."""
    with ExitStack() as held:
        for name, port in PORTS.items():
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            free = str(probe.getsockname()[1])
            text = text.replace(f"localhost:{port}", f"127.0.0.1:{free}")
            text = text.replace("featurama up", f"featurama up --{name}-port {free}")
    return text


def test_every_page_says_the_one_settling_time() -> None:
    """Wherever something settles within seconds, they are those of the code, on all pages that say so."""
    said = [
        (page.name, seconds)
        for page in PAGES
        for paragraph in page.read_text(encoding="utf-8").split("\n\n")
        if "settl" in paragraph
        for seconds in re.findall(r"\b(\d+) s\b", paragraph)
    ]
    assert {"datasets.md", "namespaces.md", "point-in-time.md", "writing.md"} <= {page for page, _ in said}
    assert {seconds for _, seconds in said} == {str(StoreSettings().settling_time // SECOND)}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_block_runs(page: Path, tmp_path: Path) -> None:
    """The page's commands and programs, as written, one after another."""
    text = script(page)
    if "curl" in text and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (tmp_path / "output").open("w+") as output:
        (tmp_path / "here").mkdir()
        ran = subprocess.run(
            ["bash", "-c", on_free_ports(text)],
            cwd=tmp_path / "here",
            env=CLEAN | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=380,
            check=False,
        )
        output.seek(0)
        assert ran.returncode == 0, output.read()[-6_000:]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_a_block_is_run_shown_or_says_why_not(page: Path) -> None:
    """No block escapes by a language nobody runs, or by a fence that Markdown does not take; `norun` has a reason."""
    fences = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("```")]
    assert len(fences) == 2 * len(blocks(page))
    for block in blocks(page):
        assert block.language in RUN + SHOWN, block.text
        assert block.norun is None or block.norun, block.text


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_lists_and_tables_stand_apart(page: Path) -> None:
    """Between text or code and a list or table is an empty line, or the site shows both as one paragraph."""
    text = FENCE.sub("code", page.read_text(encoding="utf-8"))
    assert [] == re.findall(r"^(?!- |\d+\. |[|# \n]).*\n(?:- |\d+\. |\|).*$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_prose_names_things(page: Path) -> None:
    """The subject of a sentence is the thing itself: words for people and talk are for neither."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    assert [] == re.findall(
        r"\b(?:told|tells?|asked|asks|whoever|nobody|somebody|reckoned|mended)\b", text, re.IGNORECASE
    )


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
