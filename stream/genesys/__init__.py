"""Genesys Cloud's API, one call at a time: login, rate, transport, what answers mean; see docs/genesys.md."""
