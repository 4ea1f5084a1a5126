"""`python -m dialplane.cli` is `dialplane`."""

from dialplane.cli import main

main()
