"""The world's process: how people buy, what goes wrong for them, what they say about it, and when they decide to go."""
