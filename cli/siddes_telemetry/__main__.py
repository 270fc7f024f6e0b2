"""The siddes-telemetry command, also as `python -m siddes_telemetry`."""

from siddes_telemetry.cli import inherited


def main() -> None:
    """Take over what was inherited, then import and run the command."""
    inherited.take_over()
    from siddes_telemetry.cli.main import main as run  # noqa: PLC0415  # what it imports looks at what was inherited

    run()


if __name__ == "__main__":
    main()
