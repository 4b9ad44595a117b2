"""`python -m featurama_gateway`: the gateway, configured by the environment, until SIGTERM or SIGINT."""

import sys

from featurama_service.extras import needs

if __name__ == "__main__":
    with needs("gateway"):
        from featurama_gateway.app import run
        from featurama_gateway.settings import GatewaySettings
        from featurama_service.process import main
    sys.exit(main(GatewaySettings, run))
