"""`python -m campaignctl`: the command line without its script."""

from campaignctl.cli import main

main()
