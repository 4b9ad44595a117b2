"""Hooks of the site's build: what the pages need beside what their own readers, such as GitHub, show.

A fence that says `norun: <reason>` is shown without the reason. A mermaid block is shown as a picture that was drawn
from exactly its text, so that the site loads no script from other hosts; a block without one fails the build.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

PICTURES = "pictures"
NORUN = re.compile(r"^(```\w+) norun:.*$", re.MULTILINE)
MERMAID = re.compile(r"^```mermaid\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def picture_of(text: str) -> str:
    """The path, below docs/, of the picture of a mermaid block."""
    return f"{PICTURES}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.svg"


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: object) -> str:
    """The Markdown of a page as the site shows it."""

    def shown(match: re.Match[str]) -> str:
        picture = picture_of(match["text"])
        if not (Path(config.docs_dir) / picture).exists():
            raise PluginError(f"{page.file.src_uri}: docs/{picture} is missing; run tools/draw_mermaid.py")
        return f"![Diagram]({picture})"

    return MERMAID.sub(shown, NORUN.sub(r"\1", markdown))
