"""`python -m demo` is the same as `demo/job`."""

from demo.cli import main

raise SystemExit(main())
