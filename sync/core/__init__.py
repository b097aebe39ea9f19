"""Pure parts of the engine: no Django, no HTTP, no clock, no randomness."""
