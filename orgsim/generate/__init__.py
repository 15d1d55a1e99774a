"""Seeded generators: the same seed, name and clock give the same org, row for row."""
