"""What the lane costs: CPU an event, records in memory, growth, and the pause after a kill."""
