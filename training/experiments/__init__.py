"""Small controlled runs: which recipe learns fastest, and what held the report back."""
