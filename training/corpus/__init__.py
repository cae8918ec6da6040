"""From raw text to tokens: sources, cleaning, split, tokenizer, and the summary of it all."""
