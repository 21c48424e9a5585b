"""One webhook sent through a running deployment, and its result waited for: `python -m stream probe`."""
