"""What webhooks should have brought and did not: read from Genesys, and published; see docs/backfill.md."""
