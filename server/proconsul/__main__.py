"""`python -m proconsul`."""

import sys

from proconsul.cli.main import main

sys.exit(main())
