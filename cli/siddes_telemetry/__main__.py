"""The siddes-telemetry command, also as `python -m siddes_telemetry`."""

from siddes_telemetry.cli.garbage import look_for_garbage_seldom
from siddes_telemetry.cli.process_environment import reset_process_environment


def main() -> None:
    """Reset the process environment, then import and run the command."""
    look_for_garbage_seldom()
    reset_process_environment()
    from siddes_telemetry.cli.main import main as run  # noqa: PLC0415  # its imports read the environment

    run()


if __name__ == "__main__":
    main()
