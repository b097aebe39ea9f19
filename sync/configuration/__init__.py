"""The configuration file: read with its line numbers, checked whole, applied in one transaction, exported again."""
