"""SOQL: tokens, syntax tree, a planner that finds candidates through indexes, and conditions as closures."""
