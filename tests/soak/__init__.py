"""Long checks of reliability: ``make soak`` runs them and writes ``docs/reliability.md``."""
