"""`dialplane version`: which version this is."""

from dialplane.cli.output import say


def version() -> None:
    """Show which version of dialplane this is."""
    from importlib.metadata import version as installed

    say(f"dialplane {installed('dialplane')}")
