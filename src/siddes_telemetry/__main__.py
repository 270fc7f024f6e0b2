"""`python -m siddes_telemetry` is the siddes-telemetry command."""

from siddes_telemetry.cli.main import main

if __name__ == "__main__":
    main()
