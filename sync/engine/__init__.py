"""One run, step by step (runner), and the engine's only door to the ORM (store)."""
