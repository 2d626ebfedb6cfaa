"""What people and the company say, from a grammar of templates in Chinese and English."""
