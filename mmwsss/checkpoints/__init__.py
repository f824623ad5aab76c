"""Every foreign weight format: how it is recognised, its key map, loading and conversion."""
