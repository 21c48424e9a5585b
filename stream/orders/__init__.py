"""Orders about whole conversations, given and their answers waited for: `python -m stream erase|hold|release`."""
