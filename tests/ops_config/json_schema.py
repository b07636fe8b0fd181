"""Checks a value against a JSON schema, without a library for it."""

import json
import re

_KNOWN = frozenset(
    [
        *("$defs", "$ref", "title", "description", "default", "examples", "type", "format"),
        *("properties", "patternProperties", "additionalProperties", "required", "items"),
        *("anyOf", "oneOf", "const", "enum", "pattern", "minItems", "minProperties"),
        *("minimum", "maximum", "exclusiveMinimum"),
    ]
)
_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "boolean": bool,
}


class Schema:
    """As much of JSON Schema as ours uses; anything it does not know fails the test."""

    def __init__(self, text):
        self.root = json.loads(text)

    def takes(self, value, rule=None):
        rule = self.root if rule is None else rule
        assert set(rule) <= _KNOWN
        if "$ref" in rule:
            return self.takes(value, self.root["$defs"][rule["$ref"].rpartition("/")[2]])
        return all(
            check(value, rule)
            for check in (self._shape, self._choices, self._bounds, self._members, self._items)
        )

    def _shape(self, value, rule):
        return "type" not in rule or isinstance(value, _TYPES[rule["type"]])

    def _choices(self, value, rule):
        if "const" in rule or "enum" in rule:
            return value in [*rule.get("enum", ()), rule.get("const")]
        for key, enough in (("anyOf", any), ("oneOf", lambda found: sum(found) == 1)):
            if key in rule and not enough([self.takes(value, each) for each in rule[key]]):
                return False
        return True

    def _bounds(self, value, rule):
        if isinstance(value, str):
            return re.search(rule.get("pattern", ""), value) is not None
        if isinstance(value, list | dict):
            return len(value) >= max(rule.get("minItems", 0), rule.get("minProperties", 0))
        if isinstance(value, int | float):
            least, most = rule.get("minimum", value), rule.get("maximum", value)
            return least <= value <= most and value > rule.get("exclusiveMinimum", value - 1)
        return True

    def _members(self, value, rule):
        if not isinstance(value, dict):
            return True
        if not set(rule.get("required", ())) <= set(value):
            return False
        return all(self._member(key, member, rule) for key, member in value.items())

    def _member(self, key, member, rule):
        fitting = [
            inner
            for pattern, inner in rule.get("patternProperties", {}).items()
            if re.search(pattern, key)
        ]
        if key in rule.get("properties", {}):
            fitting.append(rule["properties"][key])
        for inner in fitting or [rule.get("additionalProperties", True)]:
            if inner is False or (inner is not True and not self.takes(member, inner)):
                return False
        return True

    def _items(self, value, rule):
        if not isinstance(value, list) or "items" not in rule:
            return True
        return all(self.takes(item, rule["items"]) for item in value)
