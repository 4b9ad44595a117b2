"""`python -m featurama_online`: the online service, configured by the environment, until SIGTERM or SIGINT."""

import sys

from featurama_model.xgboost_alone import keep_xgboost_alone
from featurama_service.extras import needs

if __name__ == "__main__":
    keep_xgboost_alone()
    with needs("online"):
        from featurama_online.app import run
        from featurama_online.settings import OnlineSettings
        from featurama_service.process import main
    sys.exit(main(OnlineSettings, run))
