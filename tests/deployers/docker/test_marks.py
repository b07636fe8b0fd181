"""Labels that stand beside a container instead of on it."""

from __future__ import annotations

import pytest

from deployers.docker.container import REPLICA, SERVICE
from deployers.docker.marks import TAKEN_OVER, candidates, inspected, labelled, mark, marks

OURS = mark("chat-3fa9c1-0", "c0ffee" * 8, {SERVICE: "chat", REPLICA: "chat-3fa9c1-0"})
THEIRS = {"Id": OURS.container, "Labels": {"com.docker.compose.project": "chatty"}}
LABELLED = {"Id": "1", "Labels": {SERVICE: "tiny"}}


def test_a_mark_is_found_again_as_it_was_made():
    listed = [{"Name": OURS.name, "Labels": dict(OURS.labels)}, {"Name": "data", "Labels": None}]

    assert marks(listed) == [OURS]
    assert marks(None) == []
    assert (OURS.name, OURS.service) == ("gantry-chat-3fa9c1-0-c0ffeec0ffee", "chat")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({SERVICE: "chat"}, True),
        ({SERVICE: ""}, True),
        ({REPLICA: "chat-3fa9c1-0", SERVICE: "chat"}, True),
        ({SERVICE: "tiny"}, False),
        ({"gantry.adopted": "chat"}, False),
        ({"com.docker.compose.project": "chatty"}, False),
    ],
)
def test_only_what_the_engine_does_not_find_by_itself_is_looked_for(asked, found):
    assert candidates([OURS], asked) == ([OURS.container] if found else [])


def test_what_is_marked_is_listed_with_its_own_labels_and_the_marks():
    both = [LABELLED, THEIRS, THEIRS]

    assert [each["Id"] for each in labelled(both, [OURS], {SERVICE: ""})] == ["1", OURS.container]
    [found] = labelled(both, [OURS], {SERVICE: "chat", "com.docker.compose.project": "chatty"})
    assert found["Labels"] == {**THEIRS["Labels"], **OURS.labels}
    whole = {"Id": OURS.container, "Config": {"Image": "x", "Labels": THEIRS["Labels"]}}
    assert inspected(whole, found)["Config"]["Labels"][TAKEN_OVER] == OURS.container


def test_what_is_marked_twice_for_others_is_not_taken_for_ones_own():
    assert labelled([THEIRS], [OURS], {SERVICE: "tiny"}) == []
