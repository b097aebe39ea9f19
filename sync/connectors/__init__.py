"""The outside world behind one small typed protocol. Knows no mapping and no ORM."""
