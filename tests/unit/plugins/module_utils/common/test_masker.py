# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known values are hidden in the encodings they travel in, in pieces, and where a text was cut."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker, Stream, hard_to_hide, scrub
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import MASK

SECRET = "Tr0ub4dor&3/<é>"


def test_short_secrets_are_masked_where_they_stand_alone() -> None:
    masker = Masker([7])
    assert masker("id 7, 17 and 70") == f"id {MASK}, 17 and 70"


def test_each_line_of_a_secret_is_masked() -> None:
    masker = Masker(["first line of it\nsecond line of it\nshort"])
    assert masker("second line of it, short") == f"{MASK}, short"
    assert Masker(["first line\nsecond line"])("second line") == MASK


def test_masked_tree_keeps_closed_words() -> None:
    masker = Masker(["healthy", "body"])
    tree = {"state": "healthy", "message": "it is healthy", "list": ["body"], "n": 1}
    assert masker.tree(tree) == {"state": "healthy", "message": f"it is {MASK}", "list": [MASK], "n": 1}


@pytest.mark.parametrize(
    "text",
    [
        r"Tr0ub4dor\u00263\/\u003c\u00e9\u003e",  # JSON as Go and PHP write it
        r"Tr0ub4dor\\u00263/\\u003c\\u00e9\\u003e",  # JSON within JSON
        "Tr0ub4dor%263%2F%3C%C3%A9%3E",
        "Tr0ub4dor%263%2f%3c%c3%a9%3e",
        "Tr0ub4dor%25263%252F%253C%25C3%25A9%253E",
        "Tr0ub4dor&amp;3/&lt;&eacute;&gt;",
        "Tr0ub4dor&#38;3&#x2F;&#60;&#233;&#62;",
        r"Tr0ub4dor\x263/\x3c\xe9\x3e",
        r"Tr0ub4dor&3/<\303\251>",
        r"Tr0ub4dor\&3/\<é\>",
        "'Tr0ub4dor'\"&\"'3/<é>'",
        "Tr0ub4dor\n  &3/<é>",
    ],
)
def test_every_spelling_is_one_value(text: str) -> None:
    assert Masker([SECRET])(f"before {text} after").replace("'", "") == f"before {MASK} after"


@pytest.mark.parametrize("before", ["", "a", "ab"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_base64_is_found_wherever_it_begins(before: str, encode: type[bytes]) -> None:
    secret = SECRET * 6
    shown = Masker([secret])(encode(f"{before}{secret}xy".encode()).decode())  # type: ignore[call-arg]
    assert len(shown.replace(MASK, "")) <= 10


def test_a_short_value_with_a_blank_is_found_in_a_form() -> None:
    assert Masker(["HL u"])("a=HL u&b=HL+u") == f"a={MASK}&b={MASK}"


def test_plain_words_are_no_value() -> None:
    masker = Masker(["then", "there"])
    text = 'the new one, th\nen, "the" "re", the+re'
    assert masker(text) == text


def test_a_value_that_was_cut_is_hidden_to_its_end() -> None:
    masker = Masker(["correct-horse-battery"])
    for end in ("…", "..."):
        assert masker(f"it is correct-hor{end}") == f"it is {MASK}{end}"
        assert masker(f"it is co{end}") == f"it is co{end}"


@pytest.mark.parametrize("size", [1, 5, 7, 64])
def test_pieces_are_shown_by_lines_and_hold_back_what_may_go_on(size: int) -> None:
    code = base64.encodebytes((SECRET * 8).encode()).decode()
    text = f"first\x1b[31m\nbegin {code}end\r\nlast"
    stream = Stream(Masker([SECRET * 8]))
    lines = [line for index in range(0, len(text), size) for line in stream.feed(text[index : index + size])]
    lines += stream.end()
    assert lines[0] == "first" and lines[-1] == "last"
    assert len("".join(lines).replace(MASK, "")) < 30
    assert stream.end() == []


def test_a_line_that_nothing_can_follow_is_shown_at_once() -> None:
    stream = Stream(Masker(["correct-horse"]))
    assert stream.feed("one\ntwo\nthr") == ["one", "two"]
    assert stream.feed("ee, correct-\n") == []
    assert stream.feed("horse\n") == [f"three, {MASK}"]
    assert Stream(Masker()).feed("a" * 2_000_000) == ["a" * 2_000_000]


@pytest.mark.parametrize(
    ("value", "reason"),
    [("abc", "shorter"), ("  ", "shorter"), ("5432", "number"), ("Admin", "word"), ("true", "word"), ("hunter22", "")],
)
def test_values_that_cannot_be_hidden(value: str, reason: str) -> None:
    assert reason in hard_to_hide(value)
    assert bool(hard_to_hide(value)) is bool(reason)


def test_the_parts_of_a_value_are_secret_as_well() -> None:
    masker = Masker()
    masker.learn(["postgresql://todo:hun/ter@22@db/todo", '{"auths": {"r": {"password": "swordfish"}}}', "true"])
    assert masker("password 'hun/ter@22', swordfish, true, db") == f"password '{MASK}', {MASK}, true, db"


def test_scrub_drops_arguments_and_masks_sensitive_values() -> None:
    found = scrub(
        {
            "invocation": {"module_args": {"a": 1}},
            "_ansible_no_log": False,
            "deep": [{"Auth_Token": "x", "passwd": ["y", {"z": "w"}], "token_given": True, "n": float("nan")}],
            "long": "a" * 20 + "end",
            "lines": ["correct-", "horse", "\x1b[31mred"],
            "cookies": {"sid": "x"}, "set_cookie": "y", "pwd": "z",
        },
        Masker(["correct-horse"]),
        longest=10,
    )  # fmt: skip
    assert found == {
        "deep": [{"Auth_Token": MASK, "passwd": [MASK, {"z": MASK}], "token_given": True, "n": None}],
        "long": "... " + "a" * 7 + "end",
        "lines": [MASK, "red"],
        "cookies": {"sid": MASK},
        "set_cookie": MASK,
        "pwd": MASK,
    }
