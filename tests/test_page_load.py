"""The page under load: many visitors at once, and one who leaves.

Slow, and a machine that does other things beside will not keep the times.
"""

import pytest

from polishgen.bench_app import MIB, app_table, measure_app

pytestmark = pytest.mark.slow


def test_twenty_visitors_are_served_and_leave_no_trace():
    figures = measure_app(visitors=20, tokens=100, repeats=2)
    print(app_table(figures))
    assert figures.finished == figures.visitors == 20
    assert figures.all_tokens >= 400 and figures.undrafted_seconds < 3
    assert figures.all_text_seconds < 15
    assert figures.longest_untold_seconds < 3
    assert figures.resident_bytes < 1500 * MIB
    assert figures.loaded_resident_bytes < figures.resident_bytes + 150 * MIB
    assert figures.freed_seconds < 2
