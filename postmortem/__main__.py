"""`python -m postmortem`."""

from postmortem.cli import main

raise SystemExit(main())
