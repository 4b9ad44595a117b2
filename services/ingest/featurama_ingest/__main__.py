"""`python -m featurama_ingest`: the ingest service, configured by the environment, until SIGTERM or SIGINT."""

import sys

from featurama_ingest.app import run
from featurama_ingest.settings import IngestSettings
from featurama_service.process import main

if __name__ == "__main__":
    sys.exit(main(IngestSettings, run))
