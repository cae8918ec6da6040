"""What `training.evaluate` measures on generated text, beside the same on human text."""
