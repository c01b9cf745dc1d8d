"""The second implementation of the E-model, which relay-core's tests compare Tandem with."""

import importlib.util
from pathlib import Path

import pytest

PLACE = Path(__file__).parents[2] / "media-relay/relay-core/tests/e_model"
spec = importlib.util.spec_from_file_location("e_model_reference", PLACE / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def test_the_table_is_what_the_reference_computes():
    assert (PLACE / "table.tsv").read_text() == reference.table()


def test_the_reference_has_the_published_figures():
    """G.107 clause 7.7 and table B.1. Its polynomial gives 4.024 at R = 80, where the table has 4.03."""
    default = reference.rating(reference.Parameters(), "narrow", 0, 25.1, 0, 1)
    assert round(default, 1) == reference.PUBLISHED_DEFAULT_RATING
    for rating, published in reference.PUBLISHED_SCORES.items():
        assert reference.score(rating) == pytest.approx(published, abs=0.01)
        assert reference.score(1.29 * rating, "wide") == pytest.approx(published, abs=0.01)
