"""Preparing corpora and training models; what `polishgen` itself needs is not here."""
