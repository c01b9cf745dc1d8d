"""Writes shapes.txt and meetings.txt, the shapes of every operation, from the service
models that botocore brings.

    python control-api/data/make.py > control-api/data/shapes.txt
    python control-api/data/make.py chime-sdk-meetings > control-api/data/meetings.txt

Facts alone: names, types, limits, places. tests/interop/test_schema.py compares the file with the
installed model. The form:

    operation NAME INPUT OUTPUT          "-" for none
    NAME string [sensitive] [min=N] [max=N] [enum=A|B] [pattern=to the end of the line]
    NAME integer|float [min=N] [max=N]   NAME boolean   NAME timestamp
    NAME list MEMBER [min=N] [max=N]     NAME map KEY VALUE [min=N] [max=N]
    NAME structure                       and then a line of each member, indented:
      NAME[*] SHAPE [path=NAME] [query=NAME]      "*": required; in the body when no place is told
"""

import sys

import botocore.session

SERVICE = "chime-sdk-voice"
PLACES = {"uri": "path", "querystring": "query"}
SCALARS = ("string", "integer", "float", "boolean", "timestamp")


def model(service):
    return botocore.session.Session().get_component("data_loader").load_service_model(
        service, "service-2")


def used(shapes, name, seen):
    """The shapes that a shape is made of, itself among them."""
    if name in seen:
        return
    seen.add(name)
    shape = shapes[name]
    inner = [shape.get(kind, {}).get("shape") for kind in ("member", "key", "value")]
    inner += [member["shape"] for member in shape.get("members", {}).values()]
    for each in filter(None, inner):
        used(shapes, each, seen)


def line(name, shape):
    kind = shape["type"]
    words = [name, kind]
    if kind == "list":
        words.append(shape["member"]["shape"])
    elif kind == "map":
        words += [shape["key"]["shape"], shape["value"]["shape"]]
    elif kind != "structure":
        assert kind in SCALARS, f"{name}: the form has no type {kind}"
    if kind == "timestamp":
        assert shape.get("timestampFormat") == "iso8601", name
    if shape.get("sensitive"):
        words.append("sensitive")
    words += [f"{bound}={shape[bound]}" for bound in ("min", "max") if bound in shape]
    if "enum" in shape:
        words.append("enum=" + "|".join(shape["enum"]))
    if "pattern" in shape:
        words.append("pattern=" + shape["pattern"])
    return " ".join(words)


def members(shape):
    for name, member in shape["members"].items():
        unknown = set(member) - {"shape", "documentation", "location", "locationName",
                                 "idempotencyToken"}
        assert not unknown, f"{name}: the form has no {unknown}"
        words = [name + ("*" if name in shape.get("required", ()) else ""), member["shape"]]
        if "location" in member:
            words.append(f"{PLACES[member['location']]}={member['locationName']}")
        yield "  " + " ".join(words)


def text(of=SERVICE):
    service = model(of)
    shapes = service["shapes"]
    version = service["metadata"]["apiVersion"]
    lines = [f"# Shapes of {of}, apiVersion {version}. Made by make.py; do not edit."]
    seen = set()
    for name, operation in sorted(service["operations"].items()):
        ends = [operation.get(end, {}).get("shape") for end in ("input", "output")]
        for shape in filter(None, ends):
            used(shapes, shape, seen)
        lines.append(" ".join(["operation", name] + [end or "-" for end in ends]))
    for name in sorted(seen):
        lines.append(line(name, shapes[name]))
        if shapes[name]["type"] == "structure":
            lines += members(shapes[name])
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text(*sys.argv[1:]))
