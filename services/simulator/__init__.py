"""Lifelike customers with known fates, sent as real provider payloads; and a judge of what was made of them."""
