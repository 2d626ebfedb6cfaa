"""Pulseline for other programs: `pulseline.client` sends events."""
