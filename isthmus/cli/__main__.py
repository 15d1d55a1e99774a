"""`python -m isthmus.cli`: the `isthmus` command."""

from isthmus.cli.main import main

main()
