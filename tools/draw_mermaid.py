"""Draw the mermaid blocks of docs/ that have no picture yet: `python tools/draw_mermaid.py MERMAID_JS`.

MERMAID_JS is `dist/mermaid.min.js` of the npm package `mermaid` (`npm pack mermaid`). Needs Chromium. The pictures are
for the site alone (`docs_site.py`); a picture of a text that has changed is removed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from docs_site import MERMAID, PICTURES, picture_of

DOCS = Path(__file__).parents[1] / "docs"
PAGE = """<!doctype html><meta charset="utf-8"><pre class="mermaid">{text}</pre><script src="{script}"></script><script>
mermaid.initialize({{
  startOnLoad: true, theme: "neutral", htmlLabels: false, fontFamily: "sans-serif", deterministicIds: true,
  flowchart: {{htmlLabels: false}},
}})
</script>"""


def drawn(text: str, script: Path) -> str:
    """The picture of a mermaid block, on a white ground so that it reads in dark pages too."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(PAGE.format(text=text, script=script.resolve().as_uri()), encoding="utf-8")
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]
        dumped = subprocess.run(
            [*chromium, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=120
        ).stdout
    picture = re.search(r"<svg\b.*?</svg>", dumped, re.DOTALL)
    if picture is None:
        raise SystemExit(f"mermaid drew nothing for:\n{text}")
    width, height = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', picture[0]).groups()  # type: ignore[union-attr]
    size = f'width="{float(width):.0f}" height="{float(height):.0f}" style="background: white;"'
    return re.sub(r'width="100%"|style="max-width[^"]*"', "", picture[0]).replace("<svg", f"<svg {size}", 1) + "\n"


def main() -> None:
    """Draw what is missing, remove what is left over."""
    texts = {
        picture_of(match["text"]): match["text"]
        for page in DOCS.rglob("*.md")
        for match in MERMAID.finditer(page.read_text(encoding="utf-8"))
    }
    (DOCS / PICTURES).mkdir(exist_ok=True)
    for left_over in {path.name for path in (DOCS / PICTURES).iterdir()} - {Path(each).name for each in texts}:
        (DOCS / PICTURES / left_over).unlink()
    for picture, text in texts.items():
        if not (DOCS / picture).exists():
            (DOCS / picture).write_text(drawn(text, Path(sys.argv[1])), encoding="utf-8")


if __name__ == "__main__":
    main()
