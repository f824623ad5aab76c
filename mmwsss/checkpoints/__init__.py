"""Foreign weight formats: recognition, key maps, loading and conversion."""
