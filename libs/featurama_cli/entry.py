"""The script `featurama`: the command, or one line with the extra that it needs."""

from __future__ import annotations

from featurama_service.extras import needs


def main() -> None:
    """Run the command line and exit."""
    with needs("cli"):
        from featurama_cli.main import main as run
    run()
