import sys

from siddes_telemetry_client import Telemetry, viewer_token

telemetry = Telemetry(sys.argv[1])
telemetry.count("suggestion_accepted", 3, token=viewer_token(sys.argv[2], sys.argv[3]))
