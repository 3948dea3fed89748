"""The `devmode` command: what the pages do, in a terminal and in scripts."""
