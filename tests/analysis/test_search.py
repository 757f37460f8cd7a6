"""Searching an artifact's tree finds what is meant, and nothing else, and can be stopped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from explorer.analysis.ranges import PAGE, rows_below, shown_rows
from explorer.analysis.search import Kinds, Query, find, locate, parse_query
from explorer.formats.artifact import Node, NodeList, NodeType, Shape, Tensor


def tensor(name: str, shape: Shape, dtype: str = "float32") -> Node:
    return Node(name, NodeType.TENSOR, tensor=Tensor(f"model/{name}", dtype, shape, 0))


def folder(name: str, children: Sequence[Node]) -> Node:
    return Node(name, NodeType.DIRECTORY, source=NodeList(children))


ROOT = folder(
    "root",
    [
        Node("saved_model.pb", NodeType.FILE),
        folder(
            "variables",
            [
                tensor("conv/kernel", (5, 5, 8, 8)),
                tensor("conv/bias", (8,)),
                tensor("dense/Kernel", (32, 64), "float64"),
                tensor("step", (), "int64"),
                tensor("batch", (None, 32)),
                tensor("unknown", None),
            ],
        ),
    ],
)


def names(text: str, kinds: Kinds = Kinds.ALL) -> list[str]:
    return [hit.node.name for hit in find(ROOT, parse_query(text), kinds).hits]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kernel", ["conv/kernel", "dense/Kernel"]),
        ("kernel conv", ["conv/kernel"]),
        ("float64", ["dense/Kernel"]),
        ("float kernel [*,*]", ["dense/Kernel"]),
        ("[*,*,8,8]", ["conv/kernel"]),
        ("[*,8,8]", []),
        ("[...,8]", ["conv/kernel", "conv/bias"]),
        ("[5, ...]", ["conv/kernel"]),
        ("[5,5", ["conv/kernel"]),
        ("[8", ["conv/bias"]),
        ("[]", ["step"]),
        ("[?,32]", ["batch"]),
        ("[32,64][*,64]", ["dense/Kernel"]),
        ("oat64", []),
        ("nothing like it", []),
    ],
)
def test_a_query_finds(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_a_bracket_that_holds_no_shape_is_a_word() -> None:
    assert parse_query("MetaGraph [serve]") == Query(words=("metagraph", "[serve]"))


def test_kinds_narrow_what_is_looked_at() -> None:
    assert names("", Kinds.FILES) == ["saved_model.pb", "variables"]
    assert len(names("", Kinds.TENSORS)) == 6
    assert names("saved", Kinds.TENSORS) == []


def test_a_hit_says_where_it_stands() -> None:
    (hit,) = find(ROOT, parse_query("bias")).hits
    assert hit.path == "variables/conv/bias"
    assert hit.rows == (1, 1)


def test_a_tensor_that_the_tree_shows_twice_is_found_once() -> None:
    twice = folder("root", [tensor("kernel", (1,)), folder("again", [tensor("kernel", (1,))])])
    assert len(find(twice, parse_query("kernel"), Kinds.TENSORS).hits) == 1


def test_the_limit_is_said() -> None:
    many = folder("root", [Node(f"n{i}", NodeType.GROUP) for i in range(30)])
    found = find(many, parse_query("n"), limit=10)
    assert len(found.hits) == 10
    assert found.limited
    assert not find(many, parse_query("n"), limit=30).limited


def test_a_part_that_cannot_be_listed_is_left_out_and_said() -> None:
    def broken() -> Sequence[Node]:
        raise OSError("bad block")

    root = folder(
        "root", [Node("bad", NodeType.GROUP, source=NodeList(broken)), Node("good", NodeType.GROUP)]
    )
    found = find(root, parse_query("good"))
    assert [hit.path for hit in found.hits] == ["good"]
    assert found.problem == "bad block"


def test_a_tree_without_end_is_given_up() -> None:
    class Endless:
        def __len__(self) -> int:
            return 1

        def page(self, start: int, stop: int) -> list[Node]:
            return [Node("deeper", NodeType.GROUP, source=Endless())][start:stop]

    assert find(Node("root", NodeType.GROUP, source=Endless()), parse_query("x")).problem


def test_a_cancelled_search_lists_no_further_page() -> None:
    asked: list[int] = []

    class Long:
        def __len__(self) -> int:
            return 10 * PAGE

        def page(self, start: int, stop: int) -> list[Node]:
            asked.append(start)
            return [Node(str(i), NodeType.GROUP) for i in range(start, stop)]

    find(
        Node("root", NodeType.GROUP, source=Long()),
        parse_query("x"),
        cancelled=lambda: len(asked) > 1,
    )
    assert asked == [0, PAGE]


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 100_000, 300_000])
def test_no_level_shows_more_than_a_page(count: int) -> None:
    class Long:
        def __len__(self) -> int:
            return count

        def page(self, start: int, stop: int) -> list[Node]:
            return [Node(str(i), NodeType.TENSOR) for i in range(start, stop)]

    root = Node("root", NodeType.GROUP, source=Long())
    row = count * 2 // 3
    node = root
    if count:
        for shown in shown_rows(root, [row]):
            level = rows_below(node)
            assert len(level) <= PAGE
            node = level[shown]
        assert node.name == str(row)
    else:
        assert rows_below(root) == []


def test_a_group_says_which_children_are_in_it() -> None:
    nodes = [Node(str(i), NodeType.TENSOR) for i in range(1234)]
    groups = rows_below(Node("root", NodeType.GROUP, source=NodeList(nodes)))
    assert [(group.name, group.kind) for group in groups] == [
        ("1 – 500", "500 of 1,234"),
        ("501 – 1,000", "500 of 1,234"),
        ("1,001 – 1,234", "234 of 1,234"),
    ]
    assert [child for group in groups for child in rows_below(group)] == nodes


def test_a_tensor_is_located_by_its_path() -> None:
    hit = locate(ROOT, "model/step")
    assert hit is not None
    assert hit.rows == (1, 3)
    assert locate(ROOT, "model/none") is None
