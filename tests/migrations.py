"""The program that makes the tables of a database, or brings them up to date."""

import sys

UPGRADE = (sys.executable, "-m", "flask", "--app", "app", "db", "upgrade")
"""Run in devmode's folder, with `DEVMODE_DATABASE_URL`."""
