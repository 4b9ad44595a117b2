"""`python -m featurama_trainer`: train once, print the report as one JSON object."""

from __future__ import annotations

import asyncio
import json
import sys

from featurama_core.types.errors import FeaturamaError
from featurama_model.xgboost_alone import keep_xgboost_alone
from featurama_service.extras import needs


def main() -> int:
    """Exit code: 0, or 2 with one line that has the problem."""
    keep_xgboost_alone()
    from featurama_service.settings import SettingsError, load
    from featurama_trainer.app import run
    from featurama_trainer.settings import Settings

    try:
        report = asyncio.run(run(load(Settings)))
    except (SettingsError, FeaturamaError) as error:
        sys.stderr.write(f"featurama_trainer: {getattr(error, 'message', error)}\n")
        return 2
    sys.stdout.write(json.dumps(report.to_dict()) + "\n")
    return 0


if __name__ == "__main__":
    with needs("trainer"):
        sys.exit(main())
