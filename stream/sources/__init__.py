"""The sources of events: for each the shapes it sends, as far as we read them, and a pure parser of a body.

Unknown fields are accepted everywhere. Attachments may come without an event id: `stream.webhook` computes it.
"""
