"""What metrics cost: the CPU that counting takes, of what worker and bridge take for an event."""
