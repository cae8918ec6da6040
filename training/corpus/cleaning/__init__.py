"""Cleaning rules for Polish prose, each a small function with a count of its own.

A drop rule decides whether a document stays; an edit rule rewrites its text. What a rule does is
also a choice of one spelling for one thing: dialogue and asides take "—", quotations „ ”, and
suspension points three plain dots, which any keyboard can type. In the cleaned text every line is
a paragraph.
"""

from training.corpus.cleaning.documents import Document, n_bytes
from training.corpus.cleaning.pipeline import RULES, Cleaner, Rule, RuleCount, clean_all

__all__ = ["RULES", "Cleaner", "Document", "Rule", "RuleCount", "clean_all", "n_bytes"]
