"""The shapes that requests are held against, compared with the installed service model."""

import importlib.util
from pathlib import Path

DATA = Path(__file__).parents[2] / "control-api" / "data"


def test_the_shapes_are_those_of_the_installed_model():
    spec = importlib.util.spec_from_file_location("make_shapes", DATA / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert make.text() == (DATA / "shapes.txt").read_text(), \
        "write them anew: tests/.venv/bin/python control-api/data/make.py > " \
        "control-api/data/shapes.txt"
