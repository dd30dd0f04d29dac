"""Runs the service: ``python -m todo_api``."""

from __future__ import annotations

import gc
import signal
import sys

# Kubernetes kills 30 s after SIGTERM by default; requests in flight get most of that.
_DRAIN_SECONDS = 20


def main() -> None:
    """Check the settings, then serve until SIGTERM; requests in flight are finished first."""
    # uvicorn drains first and then raises the signal again: being asked to stop is no failure. Before uvicorn has
    # taken over, this also ends a process that is PID 1, which has no default action for signals.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # What starting makes stays: looking for garbage in it, again and again while it grows, is a seventh of the work.
    gc.disable()

    # Imported in steps, so that a wrong setting is told within a fraction of a second.
    from .faults import apply_start_faults, report_ignored
    from .log import configure_logging
    from .settings import Settings, load_settings_or_exit

    settings = load_settings_or_exit(Settings)
    configure_logging(settings.log_level, settings.log_format, settings.secrets())
    report_ignored(settings)
    apply_start_faults(settings)

    import uvicorn

    from .app import create_app

    config = uvicorn.Config(
        create_app(settings),
        host="0.0.0.0",
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    # From here on only what requests leave behind is looked through.
    gc.freeze()
    gc.enable()
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
