"""What becomes of previews while workers are killed, ended and frozen; bucket and topics are the judge."""
