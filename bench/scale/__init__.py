"""Whether workers hinder each other: one, two and four of them on real Kafka, with waiting in place of work."""
