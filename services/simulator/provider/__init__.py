"""Real payloads of real providers, written and signed by their published rules; independent of the ingest service."""
