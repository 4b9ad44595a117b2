"""`python -m featurama_ingest`: the ingest service, configured by the environment, until SIGTERM or SIGINT."""

import sys

from featurama_service.extras import needs

if __name__ == "__main__":
    with needs("ingest"):
        from featurama_ingest.app import run
        from featurama_ingest.settings import IngestSettings
        from featurama_service.process import main
    sys.exit(main(IngestSettings, run))
